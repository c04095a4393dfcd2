#include "base/options.h"

#include <algorithm>

namespace seodang {

bool Allowed::holds(std::string_view value) const {
  return names.empty() ||
         std::find(names.begin(), names.end(), value) != names.end();
}

std::string Allowed::text() const {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i)
    out += fmt::format("{}{}",
                       i == 0                  ? ""
                       : i + 1 == names.size() ? " or "
                                               : ", ",
                       names[i]);
  if (!names.empty()) return out;
  const bool has_least = std::isfinite(least), has_most = std::isfinite(most);
  if (has_least && has_most)
    return fmt::format("from {}{} to {}{}", without_least ? "above " : "",
                       least, without_most ? "below " : "", most);
  if (has_least)
    return without_least ? fmt::format("above {}", least)
                         : fmt::format("{} or more", least);
  return has_most ? fmt::format("{} or less", most) : "";
}

}  // namespace seodang
