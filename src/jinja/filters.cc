#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "jinja/builtins.h"
#include "jinja/python_string.h"

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
  if (input.is_undefined()) return int64_t{0};
  if (input.is_string()) return count_characters(input.string());
  if (input.is_dict()) return int64_t{std::ssize(input.dict().entries)};
  if (input.is_generator()) throw Error("length: a generator has none");
  return int64_t{std::ssize(input.list())};
}

// "a.b.0": the attribute of an attribute, as Jinja's filters look for it.
Value attribute_at(const Value& value, const Value& path, Budget& budget) {
  if (!path.is_string()) return element(value, path, budget);
  Value out = value;
  for (const std::string& part : split(path.string(), ".", -1)) {
    int64_t index = 0;
    const char* end = part.data() + part.size();
    const auto number = std::from_chars(part.data(), end, index);
    const bool whole = number.ec == std::errc() && number.ptr == end;
    out = element(out, whole ? Value(index) : Value(part), budget);
  }
  return out;
}

// What is compared: small letters, unless case is to matter.
Value sort_key(const Value& item, const Value* path, bool case_sensitive,
               Budget& budget) {
  Value key =
      path && !path->is_none() ? attribute_at(item, *path, budget) : item;
  budget.charge(key.weight());
  return key.is_string() && !case_sensitive ? Value(lower(key.string())) : key;
}

// select, map and their kin take none for no items.
std::vector<Value> items_of(const Value& input, Budget& budget) {
  return input.truthy() ? iterate(input, budget) : std::vector<Value>();
}

bool flag(const Arguments& arguments, size_t position, std::string_view name) {
  const Value* value = arguments.get(position, name);
  return value && value->truthy();
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
  for (const Value& item : iterate(input, arguments.budget)) {
    const Value part = key ? attribute_at(item, *key, arguments.budget) : item;
    arguments.budget.charge(part.weight() + separator.size());
    if (!std::exchange(first, false)) out += separator;
    out += to_text(part);
  }
  return out;
}

Value first(const Value& input, const Arguments& arguments) {
  const auto items = iterate(input, arguments.budget);
  return items.empty() ? Value(Undefined{"first"}) : items.front();
}

Value last(const Value& input, const Arguments& arguments) {
  const auto items = iterate(input, arguments.budget);
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
  JsonStyle style;
  style.ensure_ascii = flag(arguments, 0, "ensure_ascii");
  const Value* indent = arguments.get(1, "indent");
  if (indent && !indent->is_none()) {
    if (indent->integer() < 0 || indent->integer() > 16)
      throw Error("tojson: an indent of {} is not supported",
                  indent->integer());
    style.indent = static_cast<int>(indent->integer());
  }
  style.item_separator = style.indent < 0 ? ", " : ",";
  const Value* separators = arguments.get(2, "separators");
  if (separators && !separators->is_none()) {
    style.item_separator =
        element(*separators, int64_t{0}, arguments.budget).string();
    style.key_separator =
        element(*separators, int64_t{1}, arguments.budget).string();
  }
  style.sort_keys = flag(arguments, 3, "sort_keys");
  arguments.budget.charge(input.weight() *
                          static_cast<uint64_t>(1 + std::max(0, style.indent)));
  return to_json(input, style);
}

Value to_list(const Value& input, const Arguments& arguments) {
  return iterate(input, arguments.budget);
}

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
  arguments.budget.charge(input.weight());
  const Value replace_method = attribute(Value(to_text(input)), "replace");
  return replace_method.function()(arguments);
}

Value items(const Value& input, const Arguments& arguments) {
  if (input.is_undefined()) return Value::generator({});
  if (!input.is_dict()) throw Error("items: not {}", input.type_name());
  return Value::generator(
      attribute(input, "items").function()(arguments).list());
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
  for (const Value& item : items_of(input, arguments.budget))
    if (passes(item, arguments, 0) == keep) out.push_back(item);
  return Value::generator(std::move(out));
}

template <bool keep>
Value select_by_attribute(const Value& input, const Arguments& arguments) {
  if (arguments.positional.empty()) throw Error("selectattr: no attribute");
  std::vector<Value> out;
  for (const Value& item : items_of(input, arguments.budget)) {
    const Value value =
        attribute_at(item, arguments.positional[0], arguments.budget);
    if (passes(value, arguments, 1) == keep) out.push_back(item);
  }
  return Value::generator(std::move(out));
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
  for (const Value& item : items_of(input, arguments.budget)) {
    Value value =
        key ? attribute_at(item, *key, arguments.budget)
            : apply_filter(arguments.positional[0].string(), item, rest);
    if (value.is_undefined() && otherwise) value = *otherwise;
    out.push_back(std::move(value));
  }
  return Value::generator(std::move(out));
}

Value reverse(const Value& input, const Arguments& arguments) {
  std::vector<Value> all = iterate(input, arguments.budget);
  std::reverse(all.begin(), all.end());
  if (!input.is_string()) return Value::generator(std::move(all));
  std::string out;
  for (const Value& character : all) out += character.string();
  return out;
}

Value unique(const Value& input, const Arguments& arguments) {
  std::vector<Value> out, keys;
  for (const Value& item : iterate(input, arguments.budget)) {
    const Value key =
        sort_key(item, arguments.get(1, "attribute"),
                 flag(arguments, 0, "case_sensitive"), arguments.budget);
    arguments.budget.charge(32 * keys.size() + key.weight() * keys.size());
    if (std::any_of(keys.begin(), keys.end(),
                    [&](const Value& seen) { return equal(seen, key); }))
      continue;
    keys.push_back(key);
    out.push_back(item);
  }
  return Value::generator(std::move(out));
}

std::vector<Value> sorted(const Value& input, const Value* path,
                          bool descending, bool case_sensitive,
                          Budget& budget) {
  std::vector<std::pair<Value, Value>> keyed;  // key, item
  for (const Value& item : iterate(input, budget))
    keyed.emplace_back(sort_key(item, path, case_sensitive, budget), item);
  uint64_t compared = 0;
  for (const auto& [key, item] : keyed) compared += 32 + key.weight();
  budget.charge(compared * std::bit_width(keyed.size()));
  std::stable_sort(
      keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        return descending ? less(b.first, a.first) : less(a.first, b.first);
      });
  std::vector<Value> out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return out;
}

Value sort(const Value& input, const Arguments& arguments) {
  return sorted(input, arguments.get(2, "attribute"),
                flag(arguments, 0, "reverse"),
                flag(arguments, 1, "case_sensitive"), arguments.budget);
}

template <bool largest>
Value extreme(const Value& input, const Arguments& arguments) {
  const auto items =
      sorted(input, arguments.get(1, "attribute"), largest,
             flag(arguments, 0, "case_sensitive"), arguments.budget);
  return items.empty() ? Value(Undefined{"an item"}) : items.front();
}

Value sorted_items(const Value& input, const Arguments& arguments) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : input.dict().entries)
    pairs.push_back(Value::tuple({key, value}));
  const Value* by = arguments.get(1, "by");
  const Value position = int64_t{by && by->string() == "value"};
  return sorted(pairs, &position, flag(arguments, 2, "reverse"),
                flag(arguments, 0, "case_sensitive"), arguments.budget);
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

Value sum(const Value& input, const Arguments& arguments) {
  bool whole = true;
  double total = 0;
  for (const Value& item : iterate(input, arguments.budget)) {
    const Value* key = arguments.get(0, "attribute");
    const Value term = key ? attribute_at(item, *key, arguments.budget) : item;
    whole = whole && !term.is_float();
    total += term.number();
  }
  return whole ? Value(static_cast<int64_t>(total)) : Value(total);
}

// Unlike str.title, a word goes on past a "_" or "'".
Value title_filter(const Value& input, const Arguments&) {
  std::string out;
  bool in_word = false;
  const std::string text = to_text(input);
  for (const std::string_view c : characters(text)) {
    const bool parts = std::string_view("-({[<").find(c) != c.npos ||
                       consists_of(c, Kind::space);
    out += in_word ? lower(c) : upper(c);
    in_word = !parts;
  }
  return out;
}

Value escaped(const Value& input, const Arguments& arguments) {
  std::string out;
  for (const char c : to_text(input)) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&#34;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += c;
  }
  arguments.budget.charge(out.size());
  return out;
}

const std::map<std::string, Filter>& filters() {
  static const std::map<std::string, Filter> table = {
      {"abs", absolute},
      {"attr",
       [](const Value& v, const Arguments& a) {
         return a.positional.empty() ? Value()
                                     : attribute(v, a.positional[0].string());
       }},
      {"capitalize",
       [](const Value& v, const Arguments&) {
         return Value(capitalize(to_text(v)));
       }},
      {"count", length},
      {"d", default_value},
      {"default", default_value},
      {"dictsort", sorted_items},
      {"e", escaped},
      {"escape", escaped},
      {"first", first},
      {"float", to_float},
      {"format",
       [](const Value& v, const Arguments& a) {
         return printf_text(to_text(v), a.positional, a.budget);
       }},
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
      {"max", extreme<true>},
      {"min", extreme<false>},
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
      {"title", title_filter},
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
  static const std::set<std::string, std::less<>> whole = {
      "capitalize", "e",    "escape", "float", "format", "indent", "int",
      "lower",      "safe", "string", "title", "trim",   "upper"};
  arguments.budget.charge(
      input.is_string() || whole.contains(name) ? input.weight() : 0);
  return found->second(input, arguments);
}

}  // namespace seodang::jinja
