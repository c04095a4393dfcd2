#include "grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "formats/json_object.h"
#include "grammar/pattern.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;
using Node = Grammar::Node;

constexpr std::array<std::string_view, 12> kAnnotations = {
    "title",       "description", "default",  "examples",
    "$schema",     "$id",         "$comment", "$defs",
    "definitions", "deprecated",  "readOnly", "writeOnly"};
// What says something about values of a type, and nothing about others.
constexpr std::array<std::string_view, 15> kAssertions = {
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems"};
// What says by itself which values there are.
constexpr std::array<std::string_view, 6> kWholes = {"$ref",  "enum",  "const",
                                                     "anyOf", "oneOf", "allOf"};

// Formats whose values a pattern describes; others are a note, as the
// specification has it.
constexpr std::pair<std::string_view, const char*> kFormats[] = {
    {"date", "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])$"},
    {"time",
     "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
     "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"},
    {"date-time",
     "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])T"
     "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
     "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"},
    {"duration",
     "^P([0-9]{1,4}D(T[0-9]{1,4}[HMS])?|T[0-9]{1,4}[HMS]|"
     "[0-9]{1,4}[YMW])$"},
    {"email",
     "^[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,32}){0,3}@"
     "[A-Za-z0-9]{1,30}(-[A-Za-z0-9]{1,30}){0,2}"
     "(\\.[A-Za-z0-9]{1,30}(-[A-Za-z0-9]{1,30}){0,2}){1,4}$"},
    {"hostname",
     "^[A-Za-z0-9]{1,30}(-[A-Za-z0-9]{1,30}){0,1}"
     "(\\.[A-Za-z0-9]{1,30}(-[A-Za-z0-9]{1,30}){0,1}){0,3}$"},
    {"ipv4",
     "^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}"
     "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$"},
    {"ipv6", "^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
};

class SchemaCompiler {
 public:
  SchemaCompiler(Grammar& grammar, JsonGrammar& json_grammar,
                 const ordered_json& schema)
      : grammar_(grammar), json_(json_grammar), root_(schema) {}

  Node compile(const ordered_json& schema, const std::string& where) {
    if (schema.is_boolean() && schema.get<bool>()) return json_.any_value();
    if (schema.is_boolean())
      throw Error("{}: false, so no value is valid", where);
    if (!schema.is_object())
      throw Error("{}: a schema must be an object, or true", where);
    const std::string_view whole = check_keys(schema, where);
    if (!whole.empty()) return compile_whole(schema, whole, where);
    std::vector<Node> out;
    for (const std::string& type : types_of(schema, where))
      out.push_back(compile_type(schema, type, where));
    return out.empty() ? json_.any_value() : grammar_.choice(std::move(out));
  }

 private:
  // Returns the key of kWholes that it has, or "".
  static std::string_view check_keys(const ordered_json& schema,
                                     const std::string& where) {
    std::string_view whole;
    bool is_limited = false;
    for (const auto& [key, value] : schema.items()) {
      const auto* found = std::ranges::find(kWholes, key);
      if (found != kWholes.end()) {
        if (!whole.empty())
          throw Error("{}: {} beside {} is not supported", where, *found,
                      whole);
        whole = *found;
      } else if (std::ranges::find(kAssertions, key) != kAssertions.end()) {
        is_limited = true;
      } else if (key != "type" &&
                 std::ranges::find(kAnnotations, key) == kAnnotations.end()) {
        throw Error("{}: {} is not supported", where, shown(key));
      }
    }
    const bool has_type = schema.contains("type");
    if (!whole.empty() &&
        (is_limited || (has_type && whole != "enum" && whole != "const")))
      throw Error("{}: limits beside {} are not supported", where, whole);
    return whole;
  }

  Node compile_whole(const ordered_json& schema, std::string_view key,
                     const std::string& where) {
    const ordered_json& value = schema.at(std::string(key));
    const std::string inside = fmt::format("{}.{}", where, key);
    if (key == "$ref") return referred(value, inside);
    if (key == "const") return any_of({value}, schema, where);
    if (!value.is_array() || value.empty())
      throw Error("{} must be a list that is not empty", inside);
    if (key == "enum")
      return any_of(value.get<std::vector<ordered_json>>(), schema, where);
    if (key == "allOf" && value.size() > 1)
      throw Error("{} of more than one schema is not supported", inside);
    std::vector<Node> out;
    for (const ordered_json& one : value)
      out.push_back(compile(one, fmt::format("{}[{}]", inside, out.size())));
    return grammar_.choice(std::move(out));
  }

  // Of the values those that are of the type, too.
  Node any_of(const std::vector<ordered_json>& values,
              const ordered_json& schema, const std::string& where) {
    std::vector<std::string> types;
    if (schema.contains("type")) types = types_of(schema, where);
    std::vector<std::string> texts;
    for (const ordered_json& value : values)
      if (types.empty() ||
          std::ranges::any_of(types, [&](const std::string& type) {
            return is_of_type(value, type);
          }))
        texts.push_back(value.dump());
    if (texts.empty()) throw Error("{}: no value is of its type", where);
    return grammar_.any_of(std::move(texts));
  }

  static bool is_of_type(const ordered_json& value, const std::string& type) {
    if (type == "integer") return value.is_number_integer();
    return value.type_name() == type;
  }

  Node referred(const ordered_json& value, const std::string& where) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    if (!text.starts_with('#'))
      throw Error("{} must be a text that begins with #", where);
    const auto [found, is_new] = rules_.emplace(text, 0);
    if (!is_new) return found->second;
    const Node rule = found->second = grammar_.rule();
    const ordered_json* target = nullptr;
    try {
      target = &root_.at(ordered_json::json_pointer(text.substr(1)));
    } catch (const ordered_json::exception&) {
      throw Error("{}: there is no {} in the schema", where, shown(text));
    }
    grammar_.define(rule, compile(*target, text));
    return rule;
  }

  static std::vector<std::string> types_of(const ordered_json& schema,
                                           const std::string& where) {
    const ordered_json type = schema.value("type", ordered_json());
    std::vector<std::string> out;
    if (type.is_null()) {
      // What is only about objects or lists means one, as its writer did.
      if (schema.contains("properties") || schema.contains("required"))
        return {"object"};
      if (schema.contains("items") || schema.contains("prefixItems"))
        return {"array"};
      for (const std::string_view key : kAssertions)
        if (schema.contains(key))
          throw Error("{}: {} needs a type beside it", where, key);
      return out;
    }
    for (const ordered_json& one :
         type.is_array() ? type : ordered_json::array({type})) {
      if (!one.is_string()) throw Error("{}.type must be a text", where);
      out.push_back(one.get<std::string>());
    }
    if (out.empty()) throw Error("{}.type is empty", where);
    return out;
  }

  Node compile_type(const ordered_json& schema, const std::string& type,
                    const std::string& where) {
    if (type == "object") return object(schema, where);
    if (type == "array") return array(schema, where);
    if (type == "string") return string(schema, where);
    if (type == "integer") return json_.integer(range_of(schema, true, where));
    if (type == "number") return json_.number(range_of(schema, false, where));
    if (type == "boolean")
      return grammar_.choice(
          {grammar_.literal("true"), grammar_.literal("false")});
    if (type == "null") return grammar_.literal("null");
    throw Error("{}.type: there is no type {}", where, shown(type));
  }

  static int32_t count_of(const ordered_json& schema, const char* key,
                          int32_t otherwise, const std::string& where) {
    constexpr int32_t kMost = 1'000'000;
    if (!schema.contains(key)) return otherwise;
    const ordered_json& value = schema.at(key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > kMost)
      throw Error("{}.{} must be a whole number from 0 to {}", where, key,
                  kMost);
    return value.get<int32_t>();
  }

  Node string(const ordered_json& schema, const std::string& where) {
    const bool is_limited =
        schema.contains("minLength") || schema.contains("maxLength");
    if (schema.contains("pattern")) {
      if (is_limited)
        throw Error(
            "{}: pattern beside minLength or maxLength is not supported",
            where);
      const ordered_json& pattern = schema["pattern"];
      if (!pattern.is_string()) throw Error("{}.pattern must be a text", where);
      return patterned(pattern.get<std::string>(), where);
    }
    if (const ordered_json format = schema.value("format", ordered_json());
        format.is_string() && !is_limited)
      for (const auto& [name, pattern] : kFormats)
        if (format == name) return patterned(pattern, where);
    const int32_t least = count_of(schema, "minLength", 0, where);
    const int32_t most =
        count_of(schema, "maxLength", Grammar::kUnlimited, where);
    check_order(least, most, "Length", where);
    return json_.string(least, most);
  }

  Node patterned(const std::string& pattern, const std::string& where) {
    try {
      const Node inside = add_pattern(
          grammar_, pattern, [this](std::span<const CodePoints> any_of) {
            return json_.characters(any_of);
          });
      const Node quote = grammar_.literal("\"");
      return grammar_.sequence({quote, inside, quote});
    } catch (const Error& error) {
      throw Error("{}: {}", where, error.what());
    }
  }

  static void check_order(int32_t least, int32_t most, const char* what,
                          const std::string& where) {
    if (most != Grammar::kUnlimited && most < least)
      throw Error("{}: max{} is below min{}", where, what, what);
  }

  static NumberRange range_of(const ordered_json& schema, bool is_whole,
                              const std::string& where) {
    constexpr double kMost = 1e15;
    NumberRange out;
    const auto limit = [&](const char* key, std::optional<int64_t>& at,
                           bool& is_exclusive, bool excludes, bool is_lower) {
      if (!schema.contains(key)) return;
      const ordered_json& value = schema.at(key);
      const double number = value.is_number() ? value.get<double>() : NAN;
      if (!(std::abs(number) <= kMost))
        throw Error("{}.{} must be a number, at most 1e15 from 0", where, key);
      double rounded = std::trunc(number);
      if (rounded != number) {
        if (!is_whole)
          throw Error("{}.{}: limits of a number must be whole", where, key);
        rounded = is_lower ? std::ceil(number) : std::floor(number);
        excludes = false;
      }
      const auto whole = static_cast<int64_t>(rounded);
      const bool is_tighter = !at || (is_lower ? whole > *at : whole < *at) ||
                              (whole == *at && excludes);
      if (!is_tighter) return;
      at = whole;
      is_exclusive = excludes;
    };
    limit("minimum", out.least, out.above_least, false, true);
    limit("exclusiveMinimum", out.least, out.above_least, true, true);
    limit("maximum", out.most, out.below_most, false, false);
    limit("exclusiveMaximum", out.most, out.below_most, true, false);
    if (is_whole && out.above_least) ++*out.least;
    if (is_whole && out.below_most) --*out.most;
    if (is_whole) out.above_least = out.below_most = false;
    if (out.least && out.most &&
        (*out.least > *out.most ||
         (*out.least == *out.most && (out.above_least || out.below_most))))
      throw Error("{}: no number is within its limits", where);
    return out;
  }

  Node array(const ordered_json& schema, const std::string& where) {
    const int32_t least = count_of(schema, "minItems", 0, where);
    int32_t most = count_of(schema, "maxItems", Grammar::kUnlimited, where);
    check_order(least, most, "Items", where);
    std::vector<Node> first;
    if (schema.contains("prefixItems")) {
      const ordered_json& list = schema["prefixItems"];
      if (!list.is_array()) throw Error("{}.prefixItems must be a list", where);
      for (const ordered_json& item : list)
        first.push_back(compile(
            item, fmt::format("{}.prefixItems[{}]", where, first.size())));
    }
    const auto fixed = static_cast<int32_t>(first.size());
    if (schema.value("items", ordered_json()) == false)
      most = most == Grammar::kUnlimited ? fixed : std::min(most, fixed);
    const Node item = most == Grammar::kUnlimited || most > fixed
                          ? compile(schema.value("items", ordered_json(true)),
                                    where + ".items")
                          : -1;
    if (least > most && most != Grammar::kUnlimited)
      throw Error("{}: it has fewer items than minItems", where);
    // What may stand behind the first `count` items.
    const auto rest = [&](int32_t count) -> Node {
      if (item < 0) return grammar_.sequence({});
      return grammar_.repeat(grammar_.sequence({json_.comma(), item}),
                             std::max(0, least - count),
                             most == Grammar::kUnlimited ? most : most - count);
    };
    Node items = 0;
    if (fixed == 0) {
      if (most == 0) return json_.enclosed('[', grammar_.sequence({}), ']');
      items = grammar_.sequence({item, rest(1)});
      if (least == 0) items = grammar_.optional(items);
    } else {
      // From the last to the first: each may be followed by the next.
      items = rest(fixed);
      for (int32_t i = fixed; i-- > 0;) {
        const Node one = first[static_cast<size_t>(i)];
        if (most != Grammar::kUnlimited && i >= most) {
          items = grammar_.sequence({});
          continue;
        }
        items = grammar_.sequence(
            {i == 0 ? grammar_.sequence({}) : json_.comma(), one, items});
        if (least <= i) items = grammar_.optional(items);
      }
    }
    return json_.enclosed('[', items, ']');
  }

  struct Property {
    Node member;
    bool is_required;
  };

  Node object(const ordered_json& schema, const std::string& where) {
    const ordered_json properties =
        schema.value("properties", ordered_json::object());
    if (!properties.is_object())
      throw Error("{}.properties must be an object", where);
    std::vector<std::string> required;
    for (const ordered_json& name :
         schema.value("required", ordered_json::array())) {
      if (!name.is_string() || !properties.contains(name.get<std::string>()))
        throw Error("{}.required: {} is not one of the properties", where,
                    shown(name));
      required.push_back(name.get<std::string>());
    }
    std::vector<Property> list;
    std::vector<std::string> names;
    for (const auto& [name, value] : properties.items()) {
      const Node inside =
          compile(value, fmt::format("{}.properties.{}", where, name));
      list.push_back(
          {grammar_.sequence({json_.exactly(name), json_.colon(), inside}),
           std::ranges::find(required, name) != required.end()});
      names.push_back(name);
    }
    // Where a schema names no property, it means an object of any.
    const ordered_json others =
        schema.value("additionalProperties", ordered_json(properties.empty()));
    Node more = -1;
    if (others != false)
      more =
          grammar_.sequence({json_.string_but(names), json_.colon(),
                             compile(others, where + ".additionalProperties")});
    return json_.enclosed('{', members(list, more), '}');
  }

  // In their order. `more`: any number of these behind them, or -1.
  Node members(const std::vector<Property>& list, Node more) {
    const Node nothing = grammar_.sequence({});
    // What may follow when none, or some, of those before are there.
    Node first = nothing, next = nothing;
    if (more >= 0) {
      next = grammar_.repeat(grammar_.sequence({json_.comma(), more}), 0,
                             Grammar::kUnlimited);
      first = grammar_.optional(grammar_.sequence({more, next}));
    }
    for (auto property = list.rbegin(); property != list.rend(); ++property) {
      const Node as_first = grammar_.sequence({property->member, next});
      const Node as_next =
          grammar_.sequence({json_.comma(), property->member, next});
      first =
          property->is_required ? as_first : grammar_.choice({as_first, first});
      next = property->is_required ? as_next : grammar_.choice({as_next, next});
    }
    return first;
  }

  Grammar& grammar_;
  JsonGrammar& json_;
  const ordered_json& root_;
  std::map<std::string, Node> rules_;
};

}  // namespace

Grammar::Node add_json_schema(Grammar& grammar, JsonGrammar& json,
                              const ordered_json& schema,
                              const std::string& where) {
  return SchemaCompiler(grammar, json, schema).compile(schema, where);
}

Grammar json_schema_grammar(const ordered_json& schema,
                            const std::string& where) {
  Grammar out;
  JsonGrammar json(out);
  const Node value = add_json_schema(out, json, schema, where);
  out.set_root(out.sequence({out.optional(out.literal(" ")), value}));
  return out;
}

}  // namespace seodang
