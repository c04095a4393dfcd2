// What a user must know although the program goes on.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace seodang {

// Prints "warning: TEXT" on stderr, each text once in a process.
void warn(const std::string& text);
// From here on it does not: another process says the same.
void silence_warnings();
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  warn(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace seodang
