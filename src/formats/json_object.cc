#include "formats/json_object.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {

using nlohmann::json;

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 60 ? "a value of type " + std::string(value.type_name())
                          : text;
}

JsonObject::JsonObject(const json& value, std::string where)
    : value_(value), where_(std::move(where)) {
  if (!value.is_object()) throw Error("{}: expected an object", where_);
}

JsonObject JsonObject::typed(const json& value, const std::string& where) {
  if (!value.is_object() || !value.value("type", json()).is_string())
    throw Error("{}: needs a string \"type\"", where);
  return {value, where + " " + shown(value["type"])};
}

void JsonObject::refuse() const { throw Error("{} is not supported", where_); }

void JsonObject::only_keys(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : value_.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      throw Error("{}: key {} is not supported", where_, shown(key));
}

void JsonObject::only_values(const char* key,
                             std::initializer_list<const char*> values) const {
  if (!has(key)) return;
  for (const char* allowed : values)
    if (value(key) == json::parse(allowed)) return;
  throw Error("{}: {} = {} is not supported", where_, key, shown(value(key)));
}

const json& JsonObject::value(const char* key) const {
  static const json null;
  const auto found = value_.find(key);
  return found == value_.end() ? null : *found;
}

bool JsonObject::has(const char* key) const { return !value(key).is_null(); }

bool JsonObject::flag(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!value(key).is_boolean())
    throw Error("{}: {} must be true or false", where_, key);
  return value(key).get<bool>();
}

int64_t JsonObject::integer(const char* key, int64_t least,
                            int64_t most) const {
  const json& given = value(key);
  if (given.is_number_integer() &&
      !(given.is_number_unsigned() && given.get<uint64_t>() > INT64_MAX)) {
    const auto number = given.get<int64_t>();
    if (number >= least && number <= most) return number;
  }
  throw Error("{}: {} = {} is not an integer from {} to {}", where_, key,
              shown(given), least, most);
}

const std::string& JsonObject::text(const char* key) const {
  if (!value(key).is_string())
    throw Error("{}: needs a string \"{}\"", where_, key);
  return value(key).get_ref<const std::string&>();
}

std::string JsonObject::text_or(const char* key,
                                const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}

const json& JsonObject::list(const char* key) const {
  if (!value(key).is_array())
    throw Error("{}: needs an array \"{}\"", where_, key);
  return value(key);
}

}  // namespace seodang
