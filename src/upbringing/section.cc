#include "upbringing/section.h"

#include <algorithm>
#include <numeric>

namespace seodang {
namespace {

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

}  // namespace

std::string nearest(std::string_view word,
                    const std::vector<std::string>& candidates) {
  const auto best = std::min_element(candidates.begin(), candidates.end(),
                                     [&](const auto& a, const auto& b) {
                                       return edits(word, a) < edits(word, b);
                                     });
  return best == candidates.end() ? "" : *best;
}

const toml::node* Section::find(std::string_view key) {
  known_.emplace_back(key);
  return table_ ? table_->get(key) : nullptr;
}

std::string Section::where(std::string_view key, const toml::node& node) const {
  const toml::source_region& source = node.source();
  return fmt::format("{}:{}: {}{}", source.path ? *source.path : "recipe",
                     source.begin.line, name_.empty() ? "" : "[" + name_ + "] ",
                     key);
}

void Section::refuse_unknown() const {
  if (!table_) return;
  for (const auto& [key, node] : *table_) {
    if (std::find(known_.begin(), known_.end(), key.str()) != known_.end())
      continue;
    throw UsageError(
        "{}: no such {}; the nearest is '{}'", where(key.str(), node),
        node.is_table() ? "section" : "key", nearest(key.str(), known_));
  }
}

std::vector<std::string> Section::texts(std::string_view key,
                                        const toml::node& node) const {
  const toml::array* array = node.as_array();
  if (!array) return {typed<std::string>(key, node, "a list of texts")};
  std::vector<std::string> result;
  for (const toml::node& item : *array)
    result.push_back(typed<std::string>(key, item, "a list of texts"));
  return result;
}

}  // namespace seodang
