#include "formats/toml_table.h"

#include <toml++/toml.h>

#include <algorithm>
#include <numeric>

#include "base/files.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = 1 << 20;

size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] =
          std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

// "a.b=c" as TOML reads it, or else with c in quotes.
toml::table parse_setting(const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError("--set {}: expected SECTION.KEY=VALUE", setting);
  const std::string where = "--set " + setting;
  try {
    return toml::parse(setting, where);
  } catch (const toml::parse_error&) {  // its value may be a bare text
  }
  try {
    toml::table table = toml::parse(setting.substr(0, equals) + "=\"\"", where);
    toml::table* at = &table;
    while (at->begin()->second.is_table()) at = at->begin()->second.as_table();
    at->begin()->second.as_string()->get() = setting.substr(equals + 1);
    return table;
  } catch (const toml::parse_error& error) {
    throw UsageError("{}: {}", where, error.description());
  }
}

void put(toml::table& into, toml::table&& from) {
  for (auto&& [key, node] : from) {
    toml::table* inner = into.get_as<toml::table>(key.str());
    if (inner != nullptr && node.is_table())
      put(*inner, std::move(*node.as_table()));
    else
      into.insert_or_assign(key.str(), std::move(node));
  }
}

}  // namespace

std::string nearest(std::string_view word,
                    const std::vector<std::string>& candidates) {
  const auto best = std::min_element(candidates.begin(), candidates.end(),
                                     [&](const auto& a, const auto& b) {
                                       return edits(word, a) < edits(word, b);
                                     });
  return best == candidates.end() ? "" : *best;
}

struct TomlTable::State {
  fs::path file;
  std::string name;  // "" for the file's own
  std::shared_ptr<const toml::table> root;
  const toml::table* table = nullptr;  // in root; null: absent
  std::vector<std::string> known;

  const toml::node* find(std::string_view key) const {
    return table ? table->get(key) : nullptr;
  }
  std::shared_ptr<State> inner(std::string_view key,
                               const toml::table* of) const {
    return std::make_shared<State>(
        State{file,
              name.empty() ? std::string(key) : fmt::format("{}.{}", name, key),
              root,
              of,
              {}});
  }
};

TomlTable::TomlTable(std::shared_ptr<State> state) : state_(std::move(state)) {}
TomlTable::~TomlTable() = default;
TomlTable::TomlTable(const TomlTable&) = default;

TomlTable TomlTable::parse(const fs::path& file,
                           const std::vector<std::string>& settings) {
  try {
    auto root = std::make_shared<toml::table>(
        toml::parse(read_file(file, kMaxBytes), file.string()));
    for (const std::string& setting : settings)
      put(*root, parse_setting(setting));
    return TomlTable(
        std::make_shared<State>(State{file, "", root, root.get(), {}}));
  } catch (const toml::parse_error& error) {
    throw UsageError("{}:{}: {}", file.string(), error.source().begin.line,
                     error.description());
  }
}

const fs::path& TomlTable::file() const { return state_->file; }

bool TomlTable::has(std::string_view key) {
  state_->known.emplace_back(key);
  return state_->find(key) != nullptr;
}

std::string TomlTable::where(std::string_view key) const {
  const toml::node* node = state_->find(key);
  if (node == nullptr) node = state_->table;
  std::string place = state_->file.string();
  if (node != nullptr && node->source().path != nullptr &&
      *node->source().path != place)
    place = *node->source().path;  // a setting
  else if (node != nullptr)
    place += fmt::format(":{}", node->source().begin.line);
  return fmt::format("{}: {}{}", place,
                     state_->name.empty() ? "" : "[" + state_->name + "] ",
                     key);
}

void TomlTable::fail(std::string_view key, std::string_view what) const {
  throw UsageError("{} {}", where(key), what);
}

bool TomlTable::flag(std::string_view key) {
  if (!has(key)) fail(key, "is missing");
  const auto value = state_->find(key)->value_exact<bool>();
  if (!value) fail(key, "must be true or false");
  return *value;
}

int64_t TomlTable::integer(std::string_view key) {
  if (!has(key)) fail(key, "is missing");
  const auto value = state_->find(key)->value_exact<int64_t>();
  if (!value) fail(key, "must be a whole number");
  return *value;
}

double TomlTable::number(std::string_view key) {
  if (!has(key)) fail(key, "is missing");
  const toml::node& node = *state_->find(key);
  const auto value = node.is_boolean() ? std::nullopt : node.value<double>();
  if (!value) fail(key, "must be a number");
  if (!std::isfinite(*value)) fail(key, "must be a finite number");
  return *value;
}

std::string TomlTable::text(std::string_view key) {
  if (!has(key)) fail(key, "is missing");
  const auto value = state_->find(key)->value_exact<std::string>();
  if (!value) fail(key, "must be a text in quotes");
  return *value;
}

std::vector<std::string> TomlTable::texts(std::string_view key) {
  std::vector<std::string> out;
  if (!has(key)) return out;
  const toml::node& node = *state_->find(key);
  const auto add = [&](const toml::node& item) {
    const auto one = item.value_exact<std::string>();
    if (!one) fail(key, "must be a list of texts");
    out.push_back(*one);
  };
  if (const toml::array* list = node.as_array())
    for (const toml::node& item : *list) add(item);
  else
    add(node);
  return out;
}

std::pair<int64_t, int64_t> TomlTable::range(std::string_view key) {
  if (!has(key)) fail(key, "is missing");
  const toml::node& node = *state_->find(key);
  if (const auto one = node.value_exact<int64_t>()) return {*one, *one};
  const toml::array* list = node.as_array();
  if (list == nullptr || list->size() != 2 || !(*list)[0].is_integer() ||
      !(*list)[1].is_integer())
    fail(key, "must be [least, most]");
  return {*(*list)[0].value<int64_t>(), *(*list)[1].value<int64_t>()};
}

TomlTable TomlTable::table(std::string_view key) {
  if (!has(key)) return TomlTable(state_->inner(key, nullptr));
  const toml::node* node = state_->find(key);
  if (!node->is_table()) fail(key, fmt::format("must be a section: [{}]", key));
  return TomlTable(state_->inner(key, node->as_table()));
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  std::vector<TomlTable> out;
  if (!has(key)) return out;
  const toml::node* node = state_->find(key);
  if (!node->is_array_of_tables())
    fail(key, fmt::format("must be written [[{}]]", key));
  for (const toml::node& item : *node->as_array())
    out.push_back(TomlTable(state_->inner(key, item.as_table())));
  return out;
}

void TomlTable::refuse_unknown() const {
  if (state_->table == nullptr) return;
  for (const auto& [key, node] : *state_->table) {
    const auto& known = state_->known;
    if (std::find(known.begin(), known.end(), key.str()) != known.end())
      continue;
    throw UsageError("{}: no such {}; the nearest is '{}'", where(key.str()),
                     node.is_table() ? "section" : "key",
                     nearest(key.str(), known));
  }
}

}  // namespace seodang
