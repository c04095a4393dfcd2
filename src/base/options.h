// An option is declared once, by a function
//   template <class Visit> void visit_options(SomeOptions& o, Visit&& visit)
// that calls visit(name, value, help, allowed) for each. The command line makes
// a flag --NAME of it (cli/options.h), a recipe a key (formats/toml_table.h), a
// run an entry of its identity (train/options.h); all of them check it.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace seodang {

// The values that an option may have.
struct Allowed {
  double least = -INFINITY, most = INFINITY;
  bool without_least = false, without_most = false;
  std::vector<std::string_view> names = {};  // of a text; empty: any

  bool holds(double value) const {
    return (without_least ? value > least : value >= least) &&
           (without_most ? value < most : value <= most);
  }
  bool holds(std::string_view value) const;
  // "0 or more", "from 0 to below 1", "wsd or cosine"; "" for anything.
  std::string text() const;
};

inline Allowed at_least(double least) { return {.least = least}; }
inline Allowed from_to(double least, double most) {
  return {.least = least, .most = most};
}
inline Allowed from_to_below(double least, double most) {
  return {.least = least, .most = most, .without_most = true};
}
inline Allowed one_of(std::initializer_list<std::string_view> names) {
  return {.names = names};
}

template <class T>
bool is_allowed(const T& value, const Allowed& allowed) {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
    return allowed.holds(static_cast<double>(value));
  else if constexpr (std::is_same_v<T, std::string>)
    return allowed.holds(std::string_view(value));
  else
    return true;
}

// Throws UsageError that names the first option whose value is not allowed.
template <class Options>
void check_options(const Options& options) {
  Options copy = options;
  visit_options(copy, [](const char* name, const auto& value, const char*,
                         const Allowed& allowed = {}) {
    if (!is_allowed(value, allowed))
      throw UsageError("{} must be {}", name, allowed.text());
  });
}

}  // namespace seodang
