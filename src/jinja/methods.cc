#include <algorithm>
#include <map>

#include "base/error.h"
#include "jinja/builtins.h"
#include "jinja/python_string.h"

namespace seodang::jinja {
namespace {

using Method = Value (*)(const Value& self, const Arguments& arguments);
using Methods = std::map<std::string, Method, std::less<>>;
using V = const Value&;
using A = const Arguments&;

const Value& need(A arguments, size_t position, const char* name) {
  if (const Value* value = arguments.get(position, name)) return *value;
  throw Error("argument '{}' is missing", name);
}

int64_t limit(A arguments, size_t position, const char* name) {
  const Value* value = arguments.get(position, name);
  return value ? value->integer() : -1;
}

std::string_view optional_text(A arguments, size_t position, const char* name) {
  const Value* value = arguments.get(position, name);
  return value && !value->is_none() ? std::string_view(value->string())
                                    : std::string_view();
}

Value texts(const std::vector<std::string>& parts) {
  return std::vector<Value>(parts.begin(), parts.end());
}

void charge_pieces(A a, std::string_view text, std::string_view separator) {
  a.budget.charge(96 * most_pieces(text, separator));
}

template <Side side>
Value strip_method(V self, A a) {
  return strip(self.string(), side, optional_text(a, 0, "chars"));
}

// startswith and endswith take a text or several.
template <bool at_start>
Value affix(V self, A a) {
  const std::string& text = self.string();
  auto has = [&](const Value& affix) {
    return at_start ? text.starts_with(affix.string())
                    : text.ends_with(affix.string());
  };
  const Value& given = need(a, 0, "prefix");
  if (!given.is_list()) return has(given);
  return std::any_of(given.list().begin(), given.list().end(), has);
}

using Split = std::vector<std::string> (*)(std::string_view, std::string_view,
                                           int64_t);

template <Split split>
Value split_method(V self, A a) {
  const std::string_view separator = optional_text(a, 0, "sep");
  if (const Value* given = a.get(0, "sep");
      given && given->is_string() && separator.empty())
    throw Error("split: the separator is empty");
  charge_pieces(a, self.string(), separator);
  return texts(split(self.string(), separator, limit(a, 1, "maxsplit")));
}

// [before, separator, after] the first or last place of a separator.
template <bool last>
Value partition_method(V self, A a) {
  const std::string& text = self.string();
  const std::string& separator = need(a, 0, "sep").string();
  if (separator.empty()) throw Error("partition: the separator is empty");
  const size_t at =
      last ? find_last_text(text, separator) : find_text(text, separator);
  if (at == text.npos)
    return last ? Value::tuple({"", "", self}) : Value::tuple({self, "", ""});
  return Value::tuple(
      {text.substr(0, at), separator, text.substr(at + separator.size())});
}

Value lines_method(V self, A a) {
  const Value* keep_ends = a.get(0, "keepends");
  charge_pieces(a, self.string(), "\n");
  return texts(split_lines(self.string(), keep_ends && keep_ends->truthy()));
}

template <bool prefix>
Value remove_affix(V self, A a) {
  std::string_view text = self.string();
  const std::string& part = need(a, 0, "affix").string();
  if (prefix && text.starts_with(part)) text.remove_prefix(part.size());
  if (!prefix && text.ends_with(part)) text.remove_suffix(part.size());
  return text;
}

// Filled up to a width; `side` is where the text stands.
template <Side side>
Value justify(V self, A a) {
  const int64_t missing =
      need(a, 0, "width").integer() - count_characters(self.string());
  const Value* given = a.get(1, "fillchar");
  const Value fill = given ? *given : Value(" ");
  if (count_characters(fill.string()) != 1)
    throw Error("the fill character is not one character");
  if (missing <= 0) return self;
  int64_t before = side == Side::left ? 0 : missing;
  if (side == Side::both)  // as CPython: the odd one goes by the width
    before = missing / 2 + (missing & need(a, 0, "width").integer() & 1);
  return repeat(fill, before, a.budget).string() + self.string() +
         repeat(fill, missing - before, a.budget).string();
}

template <Kind kind>
Value is_method(V self, A) {
  return consists_of(self.string(), kind);
}

// Places of `part`, which is not empty, that do not overlap.
uint64_t count_of(std::string_view text, std::string_view part) {
  uint64_t count = 0;
  for (size_t at; (at = find_text(text, part)) != text.npos; ++count)
    text.remove_prefix(at + part.size());
  return count;
}

Value replace_method(V self, A a) {
  const std::string& text = self.string();
  const std::string& from = need(a, 0, "old").string();
  const std::string& to = need(a, 1, "new").string();
  uint64_t times = from.empty() ? text.size() + 1 : 0;
  if (!from.empty()) times = count_of(text, from);
  a.budget.charge(text.size() + times * to.size());
  return replace(text, from, to, limit(a, 2, "count"));
}

Value join_method(V self, A a) {
  Arguments separator{a.budget, {self}, {}};
  return apply_filter("join", need(a, 0, "iterable"), separator);
}

template <bool last, bool must>
Value find_method(V self, A a) {
  const std::string& text = self.string();
  const std::string& part = need(a, 0, "sub").string();
  const size_t at = last ? find_last_text(text, part) : find_text(text, part);
  if (at == text.npos) {
    if (must) throw Error("index: no '{}' there", part);
    return int64_t{-1};
  }
  return count_characters(std::string_view(text).substr(0, at));
}

Value count_method(V self, A a) {
  const std::string& part = need(a, 0, "sub").string();
  const std::string& text = self.string();
  if (part.empty()) return count_characters(text) + 1;
  return static_cast<int64_t>(count_of(text, part));
}

const Methods& string_methods() {
  static const Methods table = {
      {"capitalize", [](V s, A) { return Value(capitalize(s.string())); }},
      {"casefold", [](V s, A) { return Value(lower(s.string())); }},
      {"center", justify<Side::both>},
      {"count", count_method},
      {"endswith", affix<false>},
      {"find", find_method<false, false>},
      {"format", [](V s, A a) { return format_text(s.string(), a); }},
      {"index", find_method<false, true>},
      {"isalnum", is_method<Kind::alphanumeric>},
      {"isalpha", is_method<Kind::alphabetic>},
      {"isdecimal", is_method<Kind::digit>},
      {"isdigit", is_method<Kind::digit>},
      {"islower", is_method<Kind::lower>},
      {"isnumeric", is_method<Kind::digit>},
      {"isspace", is_method<Kind::space>},
      {"isupper", is_method<Kind::upper>},
      {"join", join_method},
      {"ljust", justify<Side::left>},
      {"lower", [](V s, A) { return Value(lower(s.string())); }},
      {"lstrip", strip_method<Side::left>},
      {"partition", partition_method<false>},
      {"removeprefix", remove_affix<true>},
      {"removesuffix", remove_affix<false>},
      {"replace", replace_method},
      {"rfind", find_method<true, false>},
      {"rindex", find_method<true, true>},
      {"rjust", justify<Side::right>},
      {"rpartition", partition_method<true>},
      {"rsplit", split_method<split_right>},
      {"rstrip", strip_method<Side::right>},
      {"split", split_method<split>},
      {"splitlines", lines_method},
      {"startswith", affix<true>},
      {"strip", strip_method<Side::both>},
      {"swapcase", [](V s, A) { return Value(swap_case(s.string())); }},
      {"title", [](V s, A) { return Value(title(s.string())); }},
      {"upper", [](V s, A) { return Value(upper(s.string())); }},
  };
  return table;
}

const Methods& list_methods() {
  static const Methods table = {
      {"count",
       [](V self, A a) {
         a.budget.charge(self.weight());
         return Value(int64_t{std::ranges::count_if(self.list(), [&](V item) {
           return equal(item, need(a, 0, "x"));
         })});
       }},
      {"index",
       [](V self, A a) {
         a.budget.charge(self.weight());
         const auto found = std::ranges::find_if(
             self.list(), [&](V item) { return equal(item, need(a, 0, "x")); });
         if (found == self.list().end()) throw Error("index: not in the list");
         return Value(int64_t{found - self.list().begin()});
       }},
  };
  return table;
}

const Methods& dict_methods() {
  static const Methods table = {
      {"get",
       [](V self, A a) {
         const Value& key = need(a, 0, "key");
         const Value* found = self.dict().find(key);
         if (found) return *found;
         const Value* otherwise = a.get(1, "default");
         return otherwise ? *otherwise : Value(None{});
       }},
      {"items",
       [](V self, A a) {
         std::vector<Value> out;
         for (const auto& [key, value] : self.dict().entries)
           out.push_back(Value::tuple({key, value}));
         a.budget.charge(64 * out.size());
         return Value(out);
       }},
      {"keys", [](V self, A a) { return Value(iterate(self, a.budget)); }},
      {"values",
       [](V self, A) {
         std::vector<Value> out;
         for (const auto& entry : self.dict().entries)
           out.push_back(entry.second);
         return Value(out);
       }},
  };
  return table;
}

}  // namespace

Value attribute(const Value& value, const std::string& name) {
  if (const auto* undefined = std::get_if<Undefined>(&value.data()))
    throw Error("'{}' is undefined, and so has no '{}'", undefined->name, name);
  const bool is_namespace = value.is_dict() && value.dict().is_namespace;
  const Methods* methods = value.is_string() ? &string_methods()
                           : value.is_dict() && !is_namespace ? &dict_methods()
                           : value.is_list() && !value.is_generator()
                               ? &list_methods()
                               : nullptr;
  if (methods)
    if (const auto found = methods->find(name); found != methods->end())
      return Function([self = value, method = found->second](A arguments) {
        if (self.is_string()) arguments.budget.charge(self.string().size());
        return method(self, arguments);
      });
  const Value* entry =
      value.is_dict() ? value.dict().find(std::string_view(name)) : nullptr;
  return entry ? *entry : Value(Undefined{name});
}

Value element(const Value& value, const Value& index, Budget& budget) {
  if (const auto* undefined = std::get_if<Undefined>(&value.data()))
    throw Error("'{}' is undefined, and so has no elements", undefined->name);
  if (value.is_dict()) {
    const Value* entry = value.dict().find(index);
    if (entry || !index.is_string())
      return entry ? *entry : Value(Undefined{"entry"});
    return attribute(value, index.string());
  }
  if (index.is_string()) return attribute(value, index.string());
  const bool has_elements =
      value.is_string() || (value.is_list() && !value.is_generator());
  if (!has_elements || !(index.is_int() || index.is_bool()))
    return Undefined{"element"};
  if (value.is_string()) budget.charge(value.string().size());
  const int64_t size = value.is_string() ? count_characters(value.string())
                                         : std::ssize(value.list());
  int64_t at = index.integer();
  if (at < 0) at += size;
  if (at < 0 || at >= size) return Undefined{"element"};
  return value.is_string() ? Value(substring(value.string(), at, at + 1))
                           : value.list()[static_cast<size_t>(at)];
}

std::vector<Value> iterate(const Value& value, Budget& budget) {
  if (value.is_undefined()) return {};
  if (value.is_string()) {
    budget.charge(128 * value.string().size());
    const auto all = characters(value.string());
    return {all.begin(), all.end()};
  }
  if (value.is_dict() && !value.dict().is_namespace) {
    budget.charge(value.dict().entries.size() * 128);
    std::vector<Value> keys;
    for (const auto& entry : value.dict().entries) keys.push_back(entry.first);
    return keys;
  }
  if (!value.is_list())
    throw Error("cannot go through {}",
                value.is_dict() ? "a namespace" : value.type_name());
  budget.charge(32 * value.list().size());
  return value.list();
}

Value repeat(const Value& value, int64_t times, Budget& budget) {
  const uint64_t unit =
      value.is_string() ? value.string().size() : 32 * value.list().size();
  uint64_t bytes = 0;
  if (times > 0 &&
      __builtin_mul_overflow(static_cast<uint64_t>(times), unit, &bytes))
    bytes = UINT64_MAX;
  budget.charge(bytes);
  if (unit == 0) times = 0;
  std::string text;
  std::vector<Value> items;
  for (; times > 0; --times) {
    if (value.is_string())
      text += value.string();
    else
      items.insert(items.end(), value.list().begin(), value.list().end());
  }
  return value.is_string() ? Value(std::move(text)) : Value(std::move(items));
}

}  // namespace seodang::jinja
