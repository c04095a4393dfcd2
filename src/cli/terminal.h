// Text laid out on a terminal, where a Hangul syllable is two columns wide.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// Columns that valid UTF-8 takes (Unicode Standard Annex 11).
int display_width(std::string_view text);
// With spaces behind it (or before it) up to `width` columns.
std::string padded(std::string_view text, int width);
std::string padded_left(std::string_view text, int width);
// Lines of at most `width` columns, broken at spaces where there are any.
std::vector<std::string> wrapped(std::string_view text, int width);
// Columns of lines beside each other, each `width` wide.
std::vector<std::string> side_by_side(
    const std::vector<std::vector<std::string>>& columns, int width);
// Rows of cells, each column as wide as its widest cell; those of `numbers`
// (the first is 0) end at the same column.
std::vector<std::string> aligned(
    const std::vector<std::vector<std::string>>& rows,
    const std::vector<bool>& numbers);
// A bar of `width` columns at most, filled to `share` in eighths of a column.
std::string bar(double share, int width);

// In bold where standard output is a terminal that can show it, and NO_COLOR
// (no-color.org) is not set; else as it is.
std::string emphasized(std::string_view text);
// Columns of the terminal that standard output is, 0 when it is none.
int terminal_width();
// Whether the locale (LC_ALL, LC_MESSAGES, LANG) is Korean.
bool prefers_korean();
bool stdin_is_terminal();

}  // namespace seodang
