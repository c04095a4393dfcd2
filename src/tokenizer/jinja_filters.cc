#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_text.h"

namespace seodang::jinja {
namespace {

using Filter = Value (*)(const Value& input, const Arguments& arguments);

int64_t integer_or(const Value* value, int64_t otherwise) {
  return value ? value->integer() : otherwise;
}

std::string text_or(const Value* value, std::string otherwise) {
  return value ? to_text(*value) : std::move(otherwise);
}

Value length(const Value& input, const Arguments&) {
  if (input.is_string())
    return static_cast<int64_t>(characters(input.string()).size());
  if (input.is_dict()) return static_cast<int64_t>(input.dict().entries.size());
  return static_cast<int64_t>(iterate(input).size());
}

Value trim(const Value& input, const Arguments& arguments) {
  const std::string text = to_text(input);
  return strip(text, Side::both, text_or(arguments.get(0, "chars"), ""));
}

Value join(const Value& input, const Arguments& arguments) {
  const std::string separator = text_or(arguments.get(0, "d"), "");
  const Value* key = arguments.get(1, "attribute");
  std::string out;
  bool first = true;
  for (const Value& item : iterate(input)) {
    if (!std::exchange(first, false)) out += separator;
    const std::string text =
        to_text(key ? attribute(item, key->string()) : item);
    arguments.budget.charge(text.size() + separator.size());
    out += text;
  }
  return out;
}

Value first(const Value& input, const Arguments&) {
  const auto items = iterate(input);
  return items.empty() ? Value(Undefined{"first"}) : items.front();
}

Value last(const Value& input, const Arguments&) {
  const auto items = iterate(input);
  return items.empty() ? Value(Undefined{"last"}) : items.back();
}

Value default_value(const Value& input, const Arguments& arguments) {
  const Value* other = arguments.get(0, "default_value");
  const Value* boolean = arguments.get(1, "boolean");
  const bool keep =
      boolean && boolean->truthy() ? input.truthy() : !input.is_undefined();
  if (keep) return input;
  return other ? *other : Value("");
}

Value json(const Value& input, const Arguments& arguments) {
  const Value* indent = arguments.get(0, "indent");
  const int64_t width = indent && !indent->is_none() ? indent->integer() : -1;
  if (width > 16) throw Error("tojson: indent {} is too large", width);
  return to_json(input, static_cast<int>(width));
}

Value to_list(const Value& input, const Arguments&) { return iterate(input); }

Value to_integer(const Value& input, const Arguments& arguments) {
  if (input.is_float()) return static_cast<int64_t>(input.number());
  if (input.is_number()) return input.integer();
  const std::string text(strip(to_text(input), Side::both, ""));
  int64_t out = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, out);
  if (result.ec == std::errc() && result.ptr == end) return out;
  return integer_or(arguments.get(0, "default"), 0);
}

Value to_float(const Value& input, const Arguments&) {
  if (input.is_number()) return input.number();
  const std::string text(strip(to_text(input), Side::both, ""));
  double out = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, out);
  return result.ec == std::errc() && result.ptr == end ? out : 0.0;
}

Value replace_text(const Value& input, const Arguments& arguments) {
  const Value replace_method = attribute(Value(to_text(input)), "replace");
  return replace_method.function()(arguments);
}

Value items(const Value& input, const Arguments& arguments) {
  if (input.is_undefined()) return std::vector<Value>();
  return attribute(input, "items").function()(arguments);
}

// Whether select and its kin keep an item: by the test named by argument
// `position`, or by its truth.
bool passes(const Value& item, const Arguments& arguments, size_t position) {
  if (position >= arguments.positional.size()) return item.truthy();
  Arguments rest{arguments.budget, {}, {}};
  rest.positional.assign(arguments.positional.begin() + position + 1,
                         arguments.positional.end());
  return apply_test(arguments.positional[position].string(), item, rest);
}

template <bool keep>
Value select(const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  for (const Value& item : iterate(input))
    if (passes(item, arguments, 0) == keep) out.push_back(item);
  return out;
}

template <bool keep>
Value select_by_attribute(const Value& input, const Arguments& arguments) {
  if (arguments.positional.empty()) throw Error("selectattr: no attribute");
  std::vector<Value> out;
  for (const Value& item : iterate(input)) {
    const Value value = attribute(item, arguments.positional[0].string());
    if (passes(value, arguments, 1) == keep) out.push_back(item);
  }
  return out;
}

Value map(const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  const Value* key = arguments.get(SIZE_MAX, "attribute");
  const Value* otherwise = arguments.get(SIZE_MAX, "default");
  Arguments rest{arguments.budget, {}, {}};
  if (!key) {
    if (arguments.positional.empty()) throw Error("map: no filter");
    rest.positional.assign(arguments.positional.begin() + 1,
                           arguments.positional.end());
  }
  for (const Value& item : iterate(input)) {
    Value value =
        key ? attribute(item, key->string())
            : apply_filter(arguments.positional[0].string(), item, rest);
    if (value.is_undefined() && otherwise) value = *otherwise;
    out.push_back(std::move(value));
  }
  return out;
}

Value reverse(const Value& input, const Arguments&) {
  std::vector<Value> all = iterate(input);
  std::reverse(all.begin(), all.end());
  if (!input.is_string()) return all;
  std::string out;
  for (const Value& character : all) out += character.string();
  return out;
}

Value unique(const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  for (const Value& item : iterate(input)) {
    arguments.budget.charge(8 * out.size());
    if (std::none_of(out.begin(), out.end(),
                     [&](const Value& seen) { return equal(seen, item); }))
      out.push_back(item);
  }
  return out;
}

Value sort(const Value& input, const Arguments& arguments) {
  std::vector<Value> all = iterate(input);
  const Value* descending = arguments.get(0, "reverse");
  const Value* key = arguments.get(2, "attribute");
  auto before = [&](const Value& a, const Value& b) {
    return key ? less(attribute(a, key->string()), attribute(b, key->string()))
               : less(a, b);
  };
  std::stable_sort(all.begin(), all.end(), [&](const Value& a, const Value& b) {
    return descending && descending->truthy() ? before(b, a) : before(a, b);
  });
  return all;
}

Value sorted_items(const Value& input, const Arguments&) {
  auto entries = input.dict().entries;
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Value> out;
  for (auto& [key, value] : entries)
    out.push_back(std::vector<Value>{Value(key), value});
  return out;
}

Value absolute(const Value& input, const Arguments&) {
  if (!input.is_int()) return std::fabs(input.number());
  if (input.integer() == INT64_MIN) throw Error("abs: the number is too large");
  return std::abs(input.integer());
}

Value round(const Value& input, const Arguments& arguments) {
  const double scale = std::pow(
      10.0, static_cast<double>(integer_or(arguments.get(0, "precision"), 0)));
  return std::nearbyint(input.number() * scale) / scale;
}

// Every line but the first (and empty ones) begins with `width` spaces.
Value indent(const Value& input, const Arguments& arguments) {
  const Value* given = arguments.get(0, "width");
  const std::string margin =
      given && given->is_string()
          ? given->string()
          : repeat(Value(" "), integer_or(given, 4), arguments.budget).string();
  const Value* also_first = arguments.get(1, "first");
  const Value* also_blank = arguments.get(2, "blank");
  std::string out;
  bool is_first = true;
  for (const std::string& line : split(to_text(input), "\n", -1)) {
    arguments.budget.charge(margin.size() + line.size());
    const bool wanted =
        is_first ? also_first && also_first->truthy()
                 : !line.empty() || (also_blank && also_blank->truthy());
    if (!is_first) out += '\n';
    if (wanted) out += margin;
    out += line;
    is_first = false;
  }
  return out;
}

Value sum(const Value& input, const Arguments&) {
  bool whole = true;
  double total = 0;
  for (const Value& item : iterate(input)) {
    whole = whole && !item.is_float();
    total += item.number();
  }
  return whole ? Value(static_cast<int64_t>(total)) : Value(total);
}

const std::map<std::string, Filter>& filters() {
  static const std::map<std::string, Filter> table = {
      {"abs", absolute},
      {"capitalize",
       [](const Value& v, const Arguments&) {
         return Value(capitalize(to_text(v)));
       }},
      {"count", length},
      {"d", default_value},
      {"default", default_value},
      {"dictsort", sorted_items},
      {"first", first},
      {"float", to_float},
      {"indent", indent},
      {"int", to_integer},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", length},
      {"list", to_list},
      {"lower", [](const Value& v,
                   const Arguments&) { return Value(lower(to_text(v))); }},
      {"map", map},
      {"reject", select<false>},
      {"rejectattr", select_by_attribute<false>},
      {"replace", replace_text},
      {"reverse", reverse},
      {"round", round},
      {"safe", [](const Value& v, const Arguments&) { return v; }},
      {"select", select<true>},
      {"selectattr", select_by_attribute<true>},
      {"sort", sort},
      {"string",
       [](const Value& v, const Arguments&) { return Value(to_text(v)); }},
      {"sum", sum},
      {"title", [](const Value& v,
                   const Arguments&) { return Value(title(to_text(v))); }},
      {"tojson", json},
      {"trim", trim},
      {"unique", unique},
      {"upper", [](const Value& v,
                   const Arguments&) { return Value(upper(to_text(v))); }},
  };
  return table;
}

}  // namespace

Value apply_filter(const std::string& name, const Value& input,
                   const Arguments& arguments) {
  const auto found = filters().find(name);
  if (found == filters().end())
    throw Error("filter '{}' is not supported", name);
  if (input.is_string()) arguments.budget.charge(input.string().size());
  if (input.is_list()) arguments.budget.charge(16 * input.list().size());
  return found->second(input, arguments);
}

}  // namespace seodang::jinja
