// Python's string operations, on the characters of UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace seodang::jinja {

// Bytes before the first or last place of `part`; npos when there is none. In
// linear time, which std::string's own do not promise.
size_t find_text(std::string_view text, std::string_view part);
size_t find_last_text(std::string_view text, std::string_view part);

std::vector<std::string_view> characters(std::string_view text);
int64_t count_characters(std::string_view text);
// The characters [begin, end); without what lies outside of `text`.
std::string_view substring(std::string_view text, int64_t begin, int64_t end);

enum class Side { left, right, both };
// Strips white space, or any of `set`'s characters when it is not empty.
std::string_view strip(std::string_view text, Side side, std::string_view set);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string swap_case(std::string_view text);
std::string title(std::string_view text);       // Each Word
std::string capitalize(std::string_view text);  // The first letter

// At most `limit` cuts (all if negative), the first ones or the last. An empty
// separator cuts at runs of white space, as str.split() does without one.
std::vector<std::string> split(std::string_view text,
                               std::string_view separator, int64_t limit);
std::vector<std::string> split_right(std::string_view text,
                                     std::string_view separator, int64_t limit);
std::vector<std::string> split_lines(std::string_view text,
                                     bool keep_ends = false);
// How many pieces split() and split_lines() can make of `text` at most.
size_t most_pieces(std::string_view text, std::string_view separator);

// Whether there are characters, and all are of a kind.
enum class Kind { alphabetic, alphanumeric, digit, space, upper, lower };
bool consists_of(std::string_view text, Kind kind);

// At most `limit` replacements (all if negative).
std::string replace(std::string_view text, std::string_view from,
                    std::string_view to, int64_t limit);

}  // namespace seodang::jinja
