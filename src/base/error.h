// The two ways a command can fail. Both messages are one line that says what
// went wrong, where (file, line, tensor), and what to do about it.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace seodang {

// Bad input, a full disk, a damaged file: the program exits with 1.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  template <class... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// The command line or a recipe asks for something that cannot be: exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace seodang
