// Strict reading of a TOML file: every complaint names file, line and key, and
// a key that nobody asks for is refused with the nearest known one.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/options.h"

namespace seodang {

// The candidate with the fewest edits from `word` (Levenshtein, "Binary codes
// capable of correcting deletions, insertions, and reversals", 1966); empty
// when there is none.
std::string nearest(std::string_view word,
                    const std::vector<std::string>& candidates);

// A table of a file; copies share it. Every function throws UsageError
// "FILE:LINE: [TABLE] KEY …" for a value of another type, or out of range.
class TomlTable {
 public:
  // Throws UsageError with the line for what TOML does not allow, Error for a
  // file that is not there or larger than a megabyte. Each of `settings`,
  // "key=value" or "section.key=value", stands in for what the file says; a
  // value that TOML does not know is a text without its quotes.
  static TomlTable parse(const std::filesystem::path& file,
                         const std::vector<std::string>& settings = {});
  ~TomlTable();
  TomlTable(const TomlTable&);
  TomlTable& operator=(const TomlTable&) = delete;

  const std::filesystem::path& file() const;
  bool has(std::string_view key);
  // "FILE:LINE: [TABLE] KEY"; of a key that is not there, where the table is.
  std::string where(std::string_view key) const;
  [[noreturn]] void fail(std::string_view key, std::string_view what) const;

  // The value of a key that is there.
  bool flag(std::string_view key);
  int64_t integer(std::string_view key);
  double number(std::string_view key);  // a whole number serves too; finite
  std::string text(std::string_view key);
  // One text, or a list of them; empty when the key is absent.
  std::vector<std::string> texts(std::string_view key);
  // "least, most", or one number for both.
  std::pair<int64_t, int64_t> range(std::string_view key);

  // [key]: an empty table when it is absent.
  TomlTable table(std::string_view key);
  // [[key]], in their order.
  std::vector<TomlTable> tables(std::string_view key);

  // Takes the value of a key when it is there, and checks it: a visitor for
  // visit_options (base/options.h).
  template <class T>
  void operator()(std::string_view key, T& value, const char* = "",
                  const Allowed& allowed = {}) {
    if (!has(key)) return;
    if constexpr (std::is_same_v<T, bool>) {
      value = flag(key);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(number(key));
    } else if constexpr (std::is_integral_v<T>) {
      const int64_t given = integer(key);
      if (!std::in_range<T>(given))
        fail(key, fmt::format("= {} is out of range", given));
      value = static_cast<T>(given);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      value = texts(key);
    } else {
      value = text(key);
    }
    if (!is_allowed(value, allowed)) fail(key, "must be " + allowed.text());
  }

  // Throws UsageError for the first key that nobody asked for.
  void refuse_unknown() const;

 private:
  struct State;
  explicit TomlTable(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace seodang
