#include "weave/fact_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.h"
#include "formats/json.h"

namespace seodang {
namespace {

using nlohmann::json;

std::vector<std::string> strings(const json& value, const std::string& where) {
  std::vector<std::string> result;
  for (const json& item : value.is_array() ? value : json::array({value})) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty())
      throw Error("{}: expected a string or a list of strings", where);
    result.push_back(item);
  }
  return result;
}

Description description(const json& object, const std::string& where) {
  Description result;
  for (const auto& [key, value] : object.items()) {
    if (key != "also") {
      result.values[key] = strings(value, where + "." + key);
      continue;
    }
    if (!value.is_object()) throw Error("{}.also: expected an object", where);
    for (const auto& [attribute, others] : value.items())
      result.also[attribute] = strings(others, where + ".also." + attribute);
  }
  return result;
}

bool contains(const std::string& a, const std::string& b) {
  return a.find(b) != a.npos;
}

}  // namespace

FactTable FactTable::load(const std::filesystem::path& path) {
  const json rows = read_json(path);
  if (!rows.is_array() || rows.empty())
    throw Error("{}: expected a list of things, [{{\"id\": …}}, …]",
                path.string());
  FactTable table;
  std::set<std::string> ids;
  for (size_t i = 0; i < rows.size(); ++i) {
    const json& row = rows[i];
    std::string where = fmt::format("{}: thing {}", path.string(), i + 1);
    if (!row.is_object() || !row.contains("id") || !row["id"].is_string())
      throw Error("{}: expected an object with an \"id\"", where);
    Entity entity;
    for (const auto& [key, value] : row.items()) {
      if (value.is_object())
        entity.in[key] = description(value, where + "." + key);
      else if (value.is_string() && (key == "id" || key == "group"))
        (key == "id" ? entity.id : entity.group) = value;
      else
        throw Error("{}: \"{}\" must be an object of facts", where, key);
    }
    if (!ids.insert(entity.id).second)
      throw Error("{}: the id \"{}\" is taken", where, entity.id);
    table.entities_.push_back(std::move(entity));
  }
  return table;
}

std::vector<int> FactTable::all() const {
  std::vector<int> everything(entities_.size());
  std::iota(everything.begin(), everything.end(), 0);
  return everything;
}

const std::vector<std::string>& FactTable::values(
    int entity, const std::string& language,
    const std::string& attribute) const {
  static const std::vector<std::string> kNone;
  const auto& in = entities_[entity].in;
  const auto description = in.find(language);
  if (description == in.end()) return kNone;
  const auto found = description->second.values.find(attribute);
  return found == description->second.values.end() ? kNone : found->second;
}

std::vector<std::string> FactTable::right(int entity,
                                          const std::string& language,
                                          const std::string& attribute) const {
  std::vector<std::string> result = values(entity, language, attribute);
  const auto in = entities_[entity].in.find(language);
  if (in == entities_[entity].in.end()) return result;
  const auto also = in->second.also.find(attribute);
  if (also != in->second.also.end())
    result.insert(result.end(), also->second.begin(), also->second.end());
  return result;
}

std::vector<std::string> FactTable::wrong(
    int entity, const std::string& language, const std::string& attribute,
    int count, const std::vector<int>& among, Rng& rng) const {
  const std::vector<std::string> right_ones =
      right(entity, language, attribute);
  std::vector<int> order = among;
  rng.shuffle(std::span(order));
  std::stable_partition(order.begin(), order.end(), [&](int other) {
    return entities_[other].group == entities_[entity].group;
  });
  std::vector<std::string> result;
  for (int other : order) {
    if (static_cast<int>(result.size()) == count) break;
    if (other == entity) continue;
    const auto& candidates = values(other, language, attribute);
    if (candidates.size() != 1) continue;
    const std::string& candidate = candidates.front();
    const auto clashes = [&](const std::string& taken) {
      return contains(candidate, taken) || contains(taken, candidate);
    };
    if (std::ranges::none_of(right_ones, clashes) &&
        std::ranges::find(result, candidate) == result.end())
      result.push_back(candidate);
  }
  return result;
}

bool FactTable::is_unique(int entity, const std::string& language,
                          const std::string& attribute) const {
  const auto& mine = values(entity, language, attribute);
  for (size_t other = 0; other < entities_.size(); ++other) {
    if (static_cast<int>(other) == entity) continue;
    for (const std::string& value :
         right(static_cast<int>(other), language, attribute))
      if (std::ranges::find(mine, value) != mine.end()) return false;
  }
  return true;
}

}  // namespace seodang
