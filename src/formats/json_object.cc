#include "formats/json_object.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

void JsonObject::need(const char* key) const {
  if (!has(key)) throw Error("{}: {} is missing", where_, key);
}

int64_t JsonObject::integer(const char* key, int64_t least,
                            int64_t most) const {
  need(key);
  const json& given = value(key);
  if (given.is_number_integer() &&
      !(given.is_number_unsigned() && given.get<uint64_t>() > INT64_MAX)) {
    const auto number = given.get<int64_t>();
    if (number >= least && number <= most) return number;
  }
  throw Error("{}: {} = {} is not an integer from {} to {}", where_, key,
              shown(given), least, most);
}

double JsonObject::positive(const char* key) const {
  need(key);
  const json& given = value(key);
  const double number = given.is_number() ? given.get<double>() : 0;
  if (!(number > 0) || !std::isfinite(number))
    throw Error("{}: {} = {} is not a positive number", where_, key,
                shown(given));
  return number;
}

double JsonObject::positive(const char* key, double otherwise) const {
  return has(key) ? positive(key) : otherwise;
}

std::vector<std::string> JsonObject::texts(const char* key) const {
  std::vector<std::string> out;
  if (!has(key)) return out;
  for (const json& one : list(key)) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty())
      throw Error("{}: {} holds {}, which is no text", where_, key, shown(one));
    out.push_back(one);
  }
  return out;
}

std::vector<int32_t> JsonObject::token_ids(const char* key) const {
  std::vector<int32_t> out;
  if (!has(key)) return out;
  const json ids =
      value(key).is_array() ? value(key) : json::array({value(key)});
  for (const json& id : ids) {
    if (!id.is_number_integer() || id < 0 ||
        id > std::numeric_limits<int32_t>::max())
      throw Error("{}: {} holds {}, which is no token id", where_, key,
                  shown(id));
    out.push_back(id);
  }
  return out;
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
