// Python's string operations, on the characters of UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace seodang::jinja {

std::vector<std::string_view> characters(std::string_view text);

enum class Side { left, right, both };
// Strips white space, or any of `set`'s characters when it is not empty.
std::string_view strip(std::string_view text, Side side, std::string_view set);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);       // Each Word
std::string capitalize(std::string_view text);  // The first letter

// At most `limit` cuts (all if negative). An empty separator cuts at runs of
// white space, as str.split() does without one.
std::vector<std::string> split(std::string_view text,
                               std::string_view separator, int64_t limit);
std::vector<std::string> split_lines(std::string_view text);

// At most `limit` replacements (all if negative).
std::string replace(std::string_view text, std::string_view from,
                    std::string_view to, int64_t limit);

}  // namespace seodang::jinja
