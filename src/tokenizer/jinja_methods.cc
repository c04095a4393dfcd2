#include <algorithm>
#include <map>

#include "base/error.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_text.h"

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

Value texts(const std::vector<std::string>& parts, Budget& budget) {
  budget.charge(64 * parts.size());
  return std::vector<Value>(parts.begin(), parts.end());
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

Value split_method(V self, A a) {
  if (const Value* separator = a.get(0, "sep");
      separator && separator->is_string() && separator->string().empty())
    throw Error("split: the separator is empty");
  return texts(
      split(self.string(), optional_text(a, 0, "sep"), limit(a, 1, "maxsplit")),
      a.budget);
}

Value replace_method(V self, A a) {
  const std::string& text = self.string();
  const std::string& from = need(a, 0, "old").string();
  const std::string& to = need(a, 1, "new").string();
  if (from.empty()) throw Error("replace: nothing to look for");
  uint64_t times = 0;
  for (size_t at = text.find(from); at != text.npos;
       at = text.find(from, at + from.size()))
    ++times;
  a.budget.charge(text.size() + times * to.size());
  return replace(text, from, to, limit(a, 2, "count"));
}

Value join_method(V self, A a) {
  Arguments separator{a.budget, {self}, {}};
  return apply_filter("join", need(a, 0, "iterable"), separator);
}

Value find_method(V self, A a) {
  const std::string& text = self.string();
  const size_t at = text.find(need(a, 0, "sub").string());
  if (at == text.npos) return int64_t{-1};
  return static_cast<int64_t>(
      characters(std::string_view(text).substr(0, at)).size());
}

Value count_method(V self, A a) {
  const std::string& part = need(a, 0, "sub").string();
  if (part.empty()) throw Error("count: nothing to look for");
  return static_cast<int64_t>(split(self.string(), part, -1).size()) - 1;
}

const Methods& string_methods() {
  static const Methods table = {
      {"capitalize", [](V s, A) { return Value(capitalize(s.string())); }},
      {"count", count_method},
      {"endswith", affix<false>},
      {"find", find_method},
      {"join", join_method},
      {"lower", [](V s, A) { return Value(lower(s.string())); }},
      {"lstrip", strip_method<Side::left>},
      {"replace", replace_method},
      {"rstrip", strip_method<Side::right>},
      {"split", split_method},
      {"splitlines",
       [](V s, A a) { return texts(split_lines(s.string()), a.budget); }},
      {"startswith", affix<true>},
      {"strip", strip_method<Side::both>},
      {"title", [](V s, A) { return Value(title(s.string())); }},
      {"upper", [](V s, A) { return Value(upper(s.string())); }},
  };
  return table;
}

const Methods& dict_methods() {
  static const Methods table = {
      {"get",
       [](V self, A a) {
         const Value& key = need(a, 0, "key");
         const Value* found =
             key.is_string() ? self.dict().find(key.string()) : nullptr;
         if (found) return *found;
         const Value* otherwise = a.get(1, "default");
         return otherwise ? *otherwise : Value(None{});
       }},
      {"items",
       [](V self, A a) {
         std::vector<Value> out;
         for (const auto& [key, value] : self.dict().entries)
           out.push_back(std::vector<Value>{Value(key), value});
         a.budget.charge(64 * out.size());
         return Value(out);
       }},
      {"keys", [](V self, A) { return Value(iterate(self)); }},
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

Value range(A a) {
  for (const Value& value : a.positional) value.integer();
  if (a.positional.empty()) throw Error("range: no end is given");
  const bool has_start = a.positional.size() > 1;
  int64_t at = has_start ? a.positional[0].integer() : 0;
  const int64_t end = a.positional[has_start].integer();
  const int64_t step = a.positional.size() > 2 ? a.positional[2].integer() : 1;
  constexpr int64_t kMost = 100000;  // as Jinja's sandbox
  if (step == 0) throw Error("range: the step is zero");
  std::vector<Value> out;
  while (step > 0 ? at < end : at > end) {
    if (out.size() >= kMost) throw Error("range: more than {} items", kMost);
    out.push_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  a.budget.charge(64 * out.size());
  return out;
}

Dict dict_of(A a) {
  Dict dict;
  for (const auto& [name, value] : a.named) dict.set(name, value);
  return dict;
}

}  // namespace

Value attribute(const Value& value, const std::string& name) {
  if (const auto* undefined = std::get_if<Undefined>(&value.data()))
    throw Error("'{}' is undefined, and so has no '{}'", undefined->name, name);
  const bool is_namespace = value.is_dict() && value.dict().is_namespace;
  const Methods* methods = value.is_string() ? &string_methods()
                           : value.is_dict() && !is_namespace ? &dict_methods()
                                                              : nullptr;
  if (methods)
    if (const auto found = methods->find(name); found != methods->end())
      return Function([self = value, method = found->second](A arguments) {
        if (self.is_string()) arguments.budget.charge(self.string().size());
        return method(self, arguments);
      });
  const Value* entry = value.is_dict() ? value.dict().find(name) : nullptr;
  return entry ? *entry : Value(Undefined{name});
}

Value element(const Value& value, const Value& index) {
  if (const auto* undefined = std::get_if<Undefined>(&value.data()))
    throw Error("'{}' is undefined, and so has no elements", undefined->name);
  if (value.is_dict()) {
    if (!index.is_string()) return Undefined{to_text(index)};
    const Value* entry = value.dict().find(index.string());
    return entry ? *entry : attribute(value, index.string());
  }
  if (index.is_string()) return attribute(value, index.string());
  const std::vector<std::string_view> letters =
      value.is_string() ? characters(value.string())
                        : std::vector<std::string_view>();
  const size_t size = value.is_string() ? letters.size() : value.list().size();
  int64_t at = index.integer();
  if (at < 0) at += static_cast<int64_t>(size);
  if (at < 0 || at >= static_cast<int64_t>(size)) return Undefined{"element"};
  return value.is_string() ? Value(letters[at]) : value.list()[at];
}

std::vector<Value> iterate(const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_string()) {
    const auto all = characters(value.string());
    return {all.begin(), all.end()};
  }
  if (value.is_dict() && !value.dict().is_namespace) {
    std::vector<Value> keys;
    for (const auto& entry : value.dict().entries) keys.push_back(entry.first);
    return keys;
  }
  if (!value.is_list())
    throw Error("cannot go through {}",
                value.is_dict() ? "a namespace" : value.type_name());
  return value.list();
}

Value repeat(const Value& text, int64_t times, Budget& budget) {
  if (times <= 0) return "";
  const std::string& unit = text.string();
  uint64_t bytes;
  if (__builtin_mul_overflow(static_cast<uint64_t>(times),
                             uint64_t{unit.size()}, &bytes))
    bytes = UINT64_MAX;
  budget.charge(bytes);
  std::string out;
  out.reserve(bytes);
  for (int64_t i = 0; i < times && !unit.empty(); ++i) out += unit;
  return out;
}

std::vector<std::pair<std::string, Value>> builtin_functions() {
  return {{"range", Function(range)},
          {"dict", Function([](A a) { return Value(dict_of(a)); })},
          {"namespace", Function([](A a) {
             Dict dict = dict_of(a);
             dict.is_namespace = true;
             return Value(std::move(dict));
           })},
          {"raise_exception", Function([](A a) -> Value {
             throw Error("the template says: {}",
                         to_text(need(a, 0, "message")));
           })}};
}

}  // namespace seodang::jinja
