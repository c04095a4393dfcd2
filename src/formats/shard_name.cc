#include "formats/shard_name.h"

#include <fmt/format.h>

#include <charconv>

namespace seodang {
namespace {

constexpr size_t kDigits = 5;

// 0 when it is no number.
int64_t number_at(std::string_view text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end ? number : 0;
}

}  // namespace

std::string ShardName::other(int64_t shard) const {
  return fmt::format("{}-{:0{}}-of-{:0{}}{}", stem, shard, kDigits, count,
                     kDigits, ending);
}

std::optional<ShardName> parse_shard_name(std::string_view name,
                                          std::string_view ending) {
  constexpr std::string_view kOf = "-of-";
  constexpr size_t kNumbers = 1 + kDigits + kOf.size() + kDigits;
  if (!name.ends_with(ending) || name.size() < kNumbers + ending.size())
    return std::nullopt;
  const size_t dash = name.size() - ending.size() - kNumbers;
  const std::string_view numbers = name.substr(dash, kNumbers);
  ShardName out = {std::string(name.substr(0, dash)), std::string(ending),
                   number_at(numbers.substr(1, kDigits)),
                   number_at(numbers.substr(kNumbers - kDigits))};
  const bool fits = numbers[0] == '-' &&
                    numbers.substr(1 + kDigits, kOf.size()) == kOf &&
                    out.number >= 1 && out.count >= out.number;
  return fits ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace seodang
