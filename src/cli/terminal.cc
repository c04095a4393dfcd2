#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unicode/uchar.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"

namespace seodang {
namespace {

int character_width(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  const auto mask = U_GET_GC_MASK(code);
  if ((mask & (U_GC_MN_MASK | U_GC_ME_MASK | U_GC_CF_MASK | U_GC_CC_MASK)) != 0)
    return 0;
  const int width = u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

// Calls body(character, width) for each character.
template <class Body>
void each_character(std::string_view text, Body&& body) {
  while (!text.empty()) {
    const size_t size = std::max<size_t>(utf8_character_size(text), 1);
    const std::string_view character = text.substr(0, size);
    body(character, utf8_character_size(text) == 0
                        ? 1
                        : character_width(decode_utf8(character)));
    text.remove_prefix(size);
  }
}

std::string spaces(int count) {
  return std::string(static_cast<size_t>(std::max(count, 0)), ' ');
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  each_character(text, [&](std::string_view, int w) { width += w; });
  return width;
}

std::string padded(std::string_view text, int width) {
  return std::string(text) + spaces(width - display_width(text));
}

std::string padded_left(std::string_view text, int width) {
  return spaces(width - display_width(text)) + std::string(text);
}

std::vector<std::string> wrapped(std::string_view text, int width) {
  std::vector<std::string> lines(1);
  int used = 0;
  each_character(text, [&](std::string_view character, int w) {
    if (character == "\n") {
      lines.emplace_back();
      used = 0;
      return;
    }
    if (used + w > width && used > 0) {
      // The word at hand moves down with its character.
      const size_t space = lines.back().rfind(' ');
      std::string word;
      if (character != " " && space != std::string::npos && space > 0) {
        word = lines.back().substr(space + 1);
        lines.back().resize(space);
      }
      lines.push_back(word);
      used = display_width(word);
      if (character == " ") return;
    }
    lines.back() += character;
    used += w;
  });
  return lines;
}

std::vector<std::string> side_by_side(
    const std::vector<std::vector<std::string>>& columns, int width) {
  size_t rows = 0;
  for (const auto& column : columns) rows = std::max(rows, column.size());
  std::vector<std::string> lines(rows);
  for (size_t row = 0; row < rows; ++row)
    for (size_t c = 0; c < columns.size(); ++c) {
      if (c > 0) lines[row] += " │ ";
      const std::string cell = row < columns[c].size() ? columns[c][row] : "";
      lines[row] += c + 1 < columns.size() ? padded(cell, width) : cell;
    }
  return lines;
}

std::vector<std::string> aligned(
    const std::vector<std::vector<std::string>>& rows,
    const std::vector<bool>& numbers) {
  std::vector<int> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c)
      widths[c] = std::max(widths[c], display_width(row[c]));
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      if (c > 0) line += "  ";
      line += c < numbers.size() && numbers[c] ? padded_left(row[c], widths[c])
                                               : padded(row[c], widths[c]);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string bar(double share, int width) {
  const int eighths =
      static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width * 8));
  std::string out;
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  if (eighths % 8 > 0)
    append_utf8(out, static_cast<char32_t>(0x2590 - eighths % 8));
  return padded(out, width);
}

std::string emphasized(std::string_view text) {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  const bool shows = isatty(STDOUT_FILENO) != 0 && set("NO_COLOR").empty() &&
                     set("TERM") != "dumb" && !set("TERM").empty();
  return shows ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

int terminal_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  return size.ws_col;
}

bool prefers_korean() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0')
      return std::string_view(value).starts_with("ko");
  }
  return false;
}

bool stdin_is_terminal() { return isatty(STDIN_FILENO) != 0; }

}  // namespace seodang
