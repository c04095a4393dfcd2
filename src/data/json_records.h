// JSON objects out of a file (also .gz, .zst): one a line, or the elements of
// one array, as `jq .` and pandas write it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/lines.h"

namespace seodang {

// The longest of them; a longer one is an Error.
constexpr size_t kMaxRecordBytes = size_t{16} << 20;

// Holds one record and one line in memory. Throws Error, with file and line,
// as LineReader does, for a record that is too long, and for an array that
// ends too early or has something behind it.
class JsonRecords {
 public:
  explicit JsonRecords(const std::filesystem::path& path,
                       const std::string& encoding = "auto");

  // The text of the next one, which need not be an object, nor UTF-8; false
  // behind the last. Blank lines are none.
  bool next(std::string& record);
  // Where it begins, from 1.
  uint64_t line() const { return begin_; }

 private:
  bool next_line();
  bool next_element(std::string& record);
  [[noreturn]] void too_long() const;

  std::string name_;
  LineReader lines_;
  std::string line_;
  size_t at_ = 0;  // in line_, of an array
  uint64_t begin_ = 0;
  enum class Shape { unknown, lines, array, ended } shape_ = Shape::unknown;
};

// Half a surrogate pair ("\ud83d" alone), which some programs write where they
// cut a text, becomes U+FFFD. True when there was one.
bool replace_lone_surrogates(std::string& json);

}  // namespace seodang
