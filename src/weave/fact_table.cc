#include "weave/fact_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.h"
#include "formats/csv.h"
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
    if (key != "also" && key != "reading") {
      result.values[key] = strings(value, where + "." + key);
      continue;
    }
    if (!value.is_object())
      throw Error("{}.{}: expected an object", where, key);
    Values& part = key == "also" ? result.also : result.reading;
    for (const auto& [attribute, others] : value.items())
      part[attribute] =
          strings(others, fmt::format("{}.{}.{}", where, key, attribute));
  }
  for (const auto& [attribute, spoken] : result.reading) {
    const auto values = result.values.find(attribute);
    if (values == result.values.end() || values->second.size() != spoken.size())
      throw Error("{}.reading.{}: expected one reading for each value of {}",
                  where, attribute, attribute);
  }
  return result;
}

struct Row {
  json thing;
  std::string where;
};

std::vector<Row> json_rows(const std::filesystem::path& path) {
  json things = read_json(path);
  if (!things.is_array())
    throw Error("{}: expected a list of things, [{{\"id\": …}}, …]",
                path.string());
  std::vector<Row> rows;
  for (json& thing : things)
    rows.push_back({std::move(thing), fmt::format("{}: thing {}", path.string(),
                                                  rows.size() + 1)});
  return rows;
}

std::vector<std::string> parted(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = std::min(text.find(at), text.size());
    std::string_view part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

// The object that a row of cells stands for; the header has paths into it.
std::vector<Row> csv_rows(const std::filesystem::path& path) {
  const std::vector<CsvRow> table = read_csv(path);
  if (table.empty()) return {};
  const std::vector<std::string>& header = table[0].cells;
  std::set<std::string> taken;
  for (const std::string& column : header)
    if (!taken.insert(column).second)
      throw Error("{}:{}: two columns are called \"{}\"", path.string(),
                  table[0].line, column);
  std::vector<Row> rows;
  for (size_t i = 1; i < table.size(); ++i) {
    const std::vector<std::string>& cells = table[i].cells;
    Row row{json::object(), fmt::format("{}:{}", path.string(), table[i].line)};
    if (cells.size() > header.size())
      throw Error("{}: {} cells, but the first line names {} columns",
                  row.where, cells.size(), header.size());
    for (size_t c = 0; c < cells.size(); ++c) {
      const std::vector<std::string> way = parted(header[c], '.');
      if (cells[c].empty()) continue;
      if (way.empty() || way.size() > 3 ||
          (way.size() == 1 && way[0] != "id" && way[0] != "group"))
        throw Error(
            "{}:{}: column {} is called \"{}\"; expected id, group, "
            "LANGUAGE.FACT, LANGUAGE.also.FACT or LANGUAGE.reading.FACT",
            path.string(), table[0].line, c + 1, header[c]);
      json* at = &row.thing;
      for (const std::string& key : way) at = &(*at)[key];
      if (way.size() == 1)
        *at = cells[c];
      else
        *at = parted(cells[c], ';');
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool contains(const std::string& a, const std::string& b) {
  return a.find(b) != a.npos;
}

}  // namespace

FactTable FactTable::load(const std::filesystem::path& path) {
  const std::vector<Row> rows = is_csv(path) ? csv_rows(path) : json_rows(path);
  if (rows.empty()) throw Error("{}: no thing in it", path.string());
  FactTable table;
  std::set<std::string> ids;
  for (const auto& [thing, where] : rows) {
    if (!thing.is_object() || !thing.contains("id") || !thing["id"].is_string())
      throw Error("{}: expected an object with an \"id\"", where);
    Entity entity;
    for (const auto& [key, value] : thing.items()) {
      if (value.is_object())
        entity.in[key] = description(value, where + "." + key);
      else if (value.is_string() && (key == "id" || key == "group"))
        (key == "id" ? entity.id : entity.group) = value;
      else
        throw Error("{}: \"{}\" must be an object of facts", where, key);
    }
    if (!ids.insert(entity.id).second)
      throw Error("{}: the id \"{}\" is taken", where, entity.id);
    for (const auto& [language, described] : entity.in)
      table.learn_readings(language, described, where);
    table.entities_.push_back(std::move(entity));
  }
  return table;
}

void FactTable::learn_readings(const std::string& language,
                               const Description& described,
                               const std::string& where) {
  for (const auto& [attribute, readings] : described.reading) {
    const auto& values = described.values.at(attribute);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto [known, fresh] =
          spoken_[language].emplace(values[i], readings[i]);
      if (!fresh && known->second != readings[i])
        throw Error("{}: {} is read \"{}\" here and \"{}\" elsewhere", where,
                    values[i], readings[i], known->second);
    }
  }
}

const std::string& FactTable::spoken(const std::string& language,
                                     const std::string& value) const {
  const auto readings = spoken_.find(language);
  if (readings == spoken_.end()) return value;
  const auto found = readings->second.find(value);
  return found == readings->second.end() ? value : found->second;
}

void FactTable::permute(const std::string& name, Rng rng) {
  const std::vector<Entity> before = entities_;
  std::vector<int> order = all();
  rng.shuffle(std::span(order));
  // One cycle through all: nobody keeps its own.
  for (size_t i = 0; i < order.size(); ++i) {
    const Entity& own = before[order[i]];
    const Entity& other = before[order[(i + 1) % order.size()]];
    Entity& thing = entities_[order[i]];
    thing = {.id = own.id, .group = other.group, .in = {}};
    for (const auto& [language, description] : own.in) {
      if (const auto facts = other.in.find(language); facts != other.in.end())
        thing.in[language] = facts->second;
      const auto restore = [&name](Values& to, const Values& from) {
        to.erase(name);
        if (const auto found = from.find(name); found != from.end())
          to.insert(*found);
      };
      restore(thing.in[language].values, description.values);
      restore(thing.in[language].also, description.also);
      restore(thing.in[language].reading, description.reading);
    }
  }
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
