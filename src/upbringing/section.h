// One section of a recipe, read into options by the same lists of names that
// the command line binds.
#pragma once

#include <toml++/toml.h>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/options.h"

namespace seodang {

// The candidate with the fewest edits from `word` (Levenshtein, "Binary codes
// capable of correcting deletions, insertions, and reversals", 1966); empty
// when there is none.
std::string nearest(std::string_view word,
                    const std::vector<std::string>& candidates);

class Section {
 public:
  // `table` may be null: a section that the recipe leaves out.
  Section(std::string name, const toml::table* table)
      : name_(std::move(name)), table_(table) {}

  // A visitor for visit_options: takes the key's value when it is there. Throws
  // UsageError with file and line when it has another type or is not allowed.
  template <class T>
  void operator()(std::string_view key, T& value, const char* = "",
                  const Allowed& allowed = {}) {
    known_.emplace_back(key);
    const toml::node* node = table_ ? table_->get(key) : nullptr;
    if (!node) return;
    read(key, *node, value);
    if (!is_allowed(value, allowed))
      throw UsageError("{} must be {}", where(key, *node), allowed.text());
  }

  // Throws UsageError for the first key that nobody asked for.
  void refuse_unknown() const;

  // The node of a key, or null.
  const toml::node* find(std::string_view key);

  // "FILE:LINE: [SECTION] KEY".
  std::string where(std::string_view key, const toml::node& node) const;

 private:
  template <class T>
  void read(std::string_view key, const toml::node& node, T& value) const {
    if constexpr (std::is_same_v<T, bool>) {
      value = typed<bool>(key, node, "true or false");
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(typed<double>(key, node, "a number"));
      if (!std::isfinite(value))
        throw UsageError("{} must be a finite number", where(key, node));
    } else if constexpr (std::is_integral_v<T>) {
      const int64_t number = typed<int64_t>(key, node, "a whole number");
      if (!std::in_range<T>(number))
        throw UsageError("{} = {} is out of range", where(key, node), number);
      value = static_cast<T>(number);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      value = texts(key, node);
    } else {
      value = typed<std::string>(key, node, "a text in quotes");
    }
  }

  template <class T>
  T typed(std::string_view key, const toml::node& node,
          const char* wanted) const {
    const auto value = node.value<T>();
    // A whole number serves as a number, no other type stands in for another.
    if (!value || (node.is_boolean() != std::is_same_v<T, bool>) ||
        (std::is_same_v<T, int64_t> && !node.is_integer()))
      throw UsageError("{} must be {}", where(key, node), wanted);
    return *value;
  }

  std::vector<std::string> texts(std::string_view key,
                                 const toml::node& node) const;

  std::string name_;
  const toml::table* table_;
  std::vector<std::string> known_;
};

}  // namespace seodang
