// Text files as streams of lines: plain, .gz or .zst (by the name's ending).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace seodang {

// Holds one line and one buffer in memory, whatever the file's size. A byte
// order mark at the start is skipped. Throws Error with the file's name
// when the file is missing or a directory, when a .gz or .zst is damaged or
// ends too early, and with file and line at a NUL byte (a binary file).
class LineReader {
 public:
  // `encoding`: data/encoding.h.
  LineReader(const std::filesystem::path& path, size_t max_line_bytes,
             const std::string& encoding = "auto");
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  // The next line without its end ("\n" or "\r\n"); false at the end of the
  // file. A line longer than max_line_bytes comes in pieces of that size.
  bool next(std::string& line);
  // Number of the line that next() gave, from 1.
  uint64_t number() const;
  // False when next() gave a piece and the line goes on.
  bool complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seodang
