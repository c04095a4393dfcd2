#include "jinja/value.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "jinja/python_string.h"

namespace seodang::jinja {
namespace {

constexpr int kMaxDepth = 64;

int depth_over(int inner) {
  if (inner >= kMaxDepth) throw Error("values nested too deep");
  return inner + 1;
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

// str.isprintable(): neither a control nor an unusual space.
bool is_printable(char32_t scalar) {
  if (scalar == ' ') return true;
  return (U_GET_GC_MASK(static_cast<UChar32>(scalar)) &
          (U_GC_C_MASK | U_GC_Z_MASK)) == 0;
}

// Python's repr(): what str() shows inside lists and dicts.
std::string representation(const Value& value) {
  if (!value.is_string()) return to_text(value);
  const std::string& text = value.string();
  const bool double_quotes =
      text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view c =
        rest.substr(0, std::max<size_t>(1, utf8_character_size(rest)));
    const char32_t scalar = decode_utf8(c);
    if (c == "\n")
      out += "\\n";
    else if (c == "\r")
      out += "\\r";
    else if (c == "\t")
      out += "\\t";
    else if (c[0] == quote || c == "\\")
      (out += '\\') += c;
    else if (is_printable(scalar))
      out += c;
    else if (scalar <= 0xFF)
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(scalar));
    else if (scalar <= 0xFFFF)
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(scalar));
    else
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(scalar));
    rest.remove_prefix(c.size());
  }
  return out + quote;
}

template <class T>
const T& as(const Value& value, const char* wanted) {
  if (const T* found = std::get_if<T>(&value.data())) return *found;
  if (const auto* undefined = std::get_if<Undefined>(&value.data()))
    throw Error("'{}' is undefined", undefined->name);
  throw Error("expected {}, not {}", wanted, value.type_name());
}

uint64_t large(const Value& value) {
  return std::get<LargeInteger>(value.data()).value;
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  std::string run(const Value& value) {
    write(value, 0);
    return std::move(out_);
  }

 private:
  void write_text(const std::string& text) {
    out_ += nlohmann::json(text).dump(-1, ' ', style_.ensure_ascii,
                                      nlohmann::json::error_handler_t::replace);
  }

  void write(const Value& value, int level) {
    if (value.is_string()) {
      write_text(value.string());
    } else if (value.is_bool()) {
      out_ += value.truthy() ? "true" : "false";
    } else if (value.is_none()) {
      out_ += "null";
    } else if (value.is_float() && !std::isfinite(value.number())) {
      out_ += std::isnan(value.number()) ? "NaN"
              : value.number() > 0       ? "Infinity"
                                         : "-Infinity";
    } else if (value.is_number()) {
      out_ += to_text(value);
    } else if (value.is_list() && !value.is_generator()) {
      const auto& items = value.list();
      write_group("[]", items.size(), level,
                  [&](size_t i) { write(items[i], level + 1); });
    } else if (value.is_dict() && !value.dict().is_namespace) {
      auto entries = value.dict().entries;
      if (style_.sort_keys)
        std::sort(entries.begin(), entries.end(),
                  [](const auto& a, const auto& b) {
                    return less(a.first, b.first);
                  });
      write_group("{}", entries.size(), level, [&](size_t i) {
        write_text(json_key(entries[i].first));
        out_ += style_.key_separator;
        write(entries[i].second, level + 1);
      });
    } else {
      throw Error("tojson: cannot write {}", value.type_name());
    }
  }

  static std::string json_key(const Value& key) {
    return key.is_none()   ? "null"
           : key.is_bool() ? (key.truthy() ? "true" : "false")
                           : to_text(key);
  }

  template <class F>
  void write_group(const char* brackets, size_t count, int level, F&& element) {
    out_ += brackets[0];
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(level + 1);
      element(i);
    }
    if (count > 0) new_line(level);
    out_ += brackets[1];
  }

  void new_line(int level) {
    if (style_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(int64_t{style_.indent} * level), ' ');
  }

  const JsonStyle& style_;
  std::string out_;
};

constexpr uint64_t kItemWeight = 32;

uint64_t weight_sum(uint64_t a, uint64_t b) {
  return std::min(a + b, UINT64_MAX / 4);
}

}  // namespace

Value::Value(std::vector<Value> items) {
  int inner = 0;
  uint64_t weight = kItemWeight;
  for (const Value& item : items) {
    inner = std::max(inner, item.depth());
    weight = weight_sum(weight, kItemWeight + item.weight());
  }
  data_ =
      std::make_shared<List>(List{std::move(items), depth_over(inner), weight});
}

Value Value::generator(std::vector<Value> items) {
  Value out(std::move(items));
  std::get<std::shared_ptr<List>>(out.data_)->kind = List::Kind::generator;
  return out;
}

Value Value::tuple(std::vector<Value> items) {
  Value out(std::move(items));
  std::get<std::shared_ptr<List>>(out.data_)->kind = List::Kind::tuple;
  return out;
}

Value::Value(Dict dict) : data_(std::make_shared<Dict>(std::move(dict))) {}

Value::Value(Function function)
    : data_(std::make_shared<Function>(std::move(function))) {}

const std::string& Value::string() const {
  return *as<std::shared_ptr<const std::string>>(*this, "a string");
}
const std::vector<Value>& Value::list() const {
  return as<std::shared_ptr<List>>(*this, "a list")->items;
}
const Dict& Value::dict() const {
  return *as<std::shared_ptr<Dict>>(*this, "a mapping");
}
Dict& Value::mutable_dict() const {
  Dict& dict = *as<std::shared_ptr<Dict>>(*this, "a namespace");
  if (!dict.is_namespace) throw Error("only a namespace can be changed");
  return dict;
}
const Function& Value::function() const {
  return *as<std::shared_ptr<Function>>(*this, "a function");
}

int64_t Value::integer() const {
  return is_bool() ? std::get<bool>(data_) : as<int64_t>(*this, "an integer");
}

double Value::number() const {
  if (is_float()) return std::get<double>(data_);
  if (is_large())
    return static_cast<double>(std::get<LargeInteger>(data_).value);
  return static_cast<double>(integer());
}

bool Value::is_generator() const {
  return is_list() &&
         std::get<std::shared_ptr<List>>(data_)->kind == List::Kind::generator;
}

bool Value::is_tuple() const {
  return is_list() &&
         std::get<std::shared_ptr<List>>(data_)->kind == List::Kind::tuple;
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (is_string()) return !string().empty();
  if (is_list()) return is_generator() || !list().empty();
  if (is_dict()) return dict().is_namespace || !dict().entries.empty();
  return true;
}

const char* Value::type_name() const {
  static constexpr const char* kNames[] = {
      "undefined",
      "none",
      "a boolean",
      "an integer",
      "an integer over 9223372036854775807",
      "a float",
      "a string",
      "a list",
      "a mapping",
      "a function"};
  return is_generator() ? "a generator" : kNames[data_.index()];
}

int Value::depth() const {
  if (is_list()) return std::get<std::shared_ptr<List>>(data_)->depth;
  return is_dict() ? dict().depth : 0;
}

uint64_t Value::weight() const {
  if (is_string()) return string().size();
  if (is_list()) return std::get<std::shared_ptr<List>>(data_)->weight;
  return is_dict() && !dict().is_namespace ? dict().weight : 0;
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name.is_string() && name.string() == key) return &value;
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_list() || key.is_dict()) return nullptr;
  for (const auto& [name, value] : entries)
    if (equal(name, key)) return &value;
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  if (key.is_list() || key.is_dict())
    throw Error("{} cannot be a key", key.type_name());
  depth = std::max(depth, depth_over(value.depth()));
  weight = weight_sum(weight, 2 * kItemWeight + key.weight() + value.weight());
  for (auto& [name, old] : entries)
    if (equal(name, key)) {
      old = std::move(value);
      return;
    }
  entries.emplace_back(key, std::move(value));
}

Budget::Budget(uint64_t weight_of_variables)
    : steps_(1'000'000 + weight_of_variables),
      bytes_((uint64_t{64} << 20) + 32 * weight_of_variables) {}

void Budget::step() {
  if (steps_-- == 0) throw Error("runs too long");
}

void Budget::charge(uint64_t bytes) {
  if (bytes > bytes_) throw Error("grows too large");
  bytes_ -= bytes;
}

const Value* Arguments::get(size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.integer() == b.integer();
  if (a.is_large() && b.is_large()) return large(a) == large(b);
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.data().index() != b.data().index()) return false;
  if (a.is_string()) return a.string() == b.string();
  if (a.is_tuple() != b.is_tuple()) return false;
  if (a.is_list())
    return std::equal(a.list().begin(), a.list().end(), b.list().begin(),
                      b.list().end(), equal);
  if (a.is_dict()) {
    const Dict &left = a.dict(), &right = b.dict();
    if (&left == &right) return true;
    if (left.is_namespace || right.is_namespace ||
        left.entries.size() != right.entries.size())
      return false;
    for (const auto& [key, value] : left.entries) {
      const Value* other = right.find(key);
      if (!other || !equal(value, *other)) return false;
    }
    return true;
  }
  if (a.is_function()) return &a.function() == &b.function();
  return true;  // undefined or none
}

bool less(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.integer() < b.integer();
  if (a.is_large() && b.is_large()) return large(a) < large(b);
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) return a.string() < b.string();
  if (a.is_list() && b.is_list())
    return std::lexicographical_compare(a.list().begin(), a.list().end(),
                                        b.list().begin(), b.list().end(), less);
  throw Error("cannot compare {} with {}", a.type_name(), b.type_name());
}

bool contains(const Value& container, const Value& item) {
  if (container.is_string())
    return find_text(container.string(), item.string()) != std::string::npos;
  if (container.is_dict()) return container.dict().find(item) != nullptr;
  if (container.is_undefined()) return false;
  const auto& items = container.list();
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& other) { return equal(other, item); });
}

std::string to_text(const Value& value) {
  if (value.is_undefined()) return "";
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.truthy() ? "True" : "False";
  if (value.is_int()) return std::to_string(value.integer());
  if (value.is_large()) return std::to_string(large(value));
  if (value.is_float()) return float_text(value.number());
  if (value.is_string()) return value.string();
  if (value.is_list() && !value.is_generator()) {
    const bool tuple = value.is_tuple();
    std::string out = tuple ? "(" : "[";
    for (const Value& item : value.list())
      out += (out.size() > 1 ? ", " : "") + representation(item);
    return out + (!tuple ? "]" : value.list().size() == 1 ? ",)" : ")");
  }
  if (value.is_dict() && !value.dict().is_namespace) {
    std::string out = "{";
    for (const auto& [key, item] : value.dict().entries)
      out += (out.size() > 1 ? ", " : "") + representation(key) + ": " +
             representation(item);
    return out + "}";
  }
  throw Error("cannot print {}",
              value.is_dict() ? "a namespace" : value.type_name());
}

std::string to_json(const Value& value, const JsonStyle& style) {
  return JsonWriter(style).run(value);
}

Value from_json(const nlohmann::ordered_json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX)
    return LargeInteger{json.get<uint64_t>()};
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get_ref<const std::string&>();
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(from_json(item));
    return items;
  }
  if (!json.is_object()) return None{};
  Dict dict;
  for (const auto& [key, value] : json.items()) dict.set(key, from_json(value));
  return dict;
}

}  // namespace seodang::jinja
