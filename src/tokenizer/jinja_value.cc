#include "tokenizer/jinja_value.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

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

// Python's repr(): what str() shows inside lists and dicts.
std::string representation(const Value& value) {
  if (!value.is_string()) return to_text(value);
  const std::string& text = value.string();
  const bool double_quotes =
      text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else if (c == quote || c == '\\')
      (out += '\\') += c;
    else
      out += c;
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

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false,
                                   nlohmann::json::error_handler_t::replace);
}

// One list or object of `count` elements, each written by `element(i)`.
template <class F>
std::string json_group(char open, char close, size_t count, int indent,
                       int level, F&& element) {
  if (count == 0) return {open, close};
  std::string out(1, open);
  auto new_line = [&](int at) {
    if (indent >= 0) out += '\n' + std::string(indent * at, ' ');
  };
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += indent >= 0 ? "," : ", ";
    new_line(level + 1);
    out += element(i);
  }
  new_line(level);
  return out + close;
}

std::string json_text(const Value& value, int indent, int level) {
  if (value.is_string()) return quoted(value.string());
  if (value.is_bool()) return value.truthy() ? "true" : "false";
  if (value.is_none()) return "null";
  if (value.is_number()) return to_text(value);
  if (value.is_list()) {
    const auto& items = value.list();
    return json_group('[', ']', items.size(), indent, level, [&](size_t i) {
      return json_text(items[i], indent, level + 1);
    });
  }
  if (value.is_dict() && !value.dict().is_namespace) {
    const auto& entries = value.dict().entries;
    return json_group('{', '}', entries.size(), indent, level, [&](size_t i) {
      return quoted(entries[i].first) + ": " +
             json_text(entries[i].second, indent, level + 1);
    });
  }
  throw Error("tojson: cannot write {}", value.type_name());
}

}  // namespace

Value::Value(std::vector<Value> items) {
  int inner = 0;
  for (const Value& item : items) inner = std::max(inner, item.depth());
  data_ = std::make_shared<List>(List{std::move(items), depth_over(inner)});
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
  return is_float() ? std::get<double>(data_) : static_cast<double>(integer());
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (is_string()) return !string().empty();
  if (is_list()) return !list().empty();
  if (is_dict()) return dict().is_namespace || !dict().entries.empty();
  return true;
}

const char* Value::type_name() const {
  static constexpr const char* kNames[] = {
      "undefined", "none",   "a boolean", "an integer", "a float",
      "a string",  "a list", "a mapping", "a function"};
  return kNames[data_.index()];
}

int Value::depth() const {
  if (is_list()) return std::get<std::shared_ptr<List>>(data_)->depth;
  return is_dict() ? dict().depth : 0;
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name == key) return &value;
  return nullptr;
}

void Dict::set(std::string_view key, Value value) {
  depth = std::max(depth, depth_over(value.depth()));
  for (auto& [name, old] : entries)
    if (name == key) {
      old = std::move(value);
      return;
    }
  entries.emplace_back(key, std::move(value));
}

void Budget::charge(uint64_t bytes) {
  if (bytes > left_) throw Error("runs too long or grows too large");
  left_ -= bytes;
}

const Value* Arguments::get(size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.data().index() != b.data().index()) return false;
  if (a.is_string()) return a.string() == b.string();
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
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) return a.string() < b.string();
  if (a.is_list() && b.is_list())
    return std::lexicographical_compare(a.list().begin(), a.list().end(),
                                        b.list().begin(), b.list().end(), less);
  throw Error("cannot compare {} with {}", a.type_name(), b.type_name());
}

bool contains(const Value& container, const Value& item) {
  if (container.is_string())
    return container.string().find(item.string()) != std::string::npos;
  if (container.is_dict())
    return item.is_string() && container.dict().find(item.string());
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
  if (value.is_float()) return float_text(value.number());
  if (value.is_string()) return value.string();
  if (value.is_list()) {
    std::string out = "[";
    for (const Value& item : value.list())
      out += (out.size() > 1 ? ", " : "") + representation(item);
    return out + "]";
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

std::string to_json(const Value& value, int indent) {
  return json_text(value, indent, 0);
}

}  // namespace seodang::jinja
