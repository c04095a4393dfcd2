#include "formats/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"

namespace seodang {
namespace {

int64_t line_at(std::string_view text, size_t offset) {
  const auto end = text.begin() + std::min(offset, text.size());
  return 1 + std::count(text.begin(), end, '\n');
}

// Offset of the bracket that nests too deep; npos if there is none.
size_t find_too_deep(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return i;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return std::string_view::npos;
}

// "[json.exception…] parse error at line 1, column 2: WHY; last read: 'TEXT'"
// → "WHY".
std::string reason(std::string_view what) {
  if (const size_t at = what.find("syntax error"); at != what.npos)
    what.remove_prefix(at);
  else if (const size_t colon = what.rfind(": "); colon != what.npos)
    what.remove_prefix(colon + 2);
  what = what.substr(0, what.find("; last read"));
  return replace_invalid_utf8(what.substr(0, 160));
}

template <class Json>
Json checked_json(std::string_view text, std::string_view name, int max_depth) {
  if (const size_t at = find_too_deep(text, max_depth); at != text.npos)
    throw Error("{}:{}: nested deeper than {} levels", name, line_at(text, at),
                max_depth);
  if (const size_t at = find_invalid_utf8(text); at != text.npos)
    throw Error("{}:{}: not UTF-8 (byte {})", name, line_at(text, at), at);
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const size_t offset = error.byte > 0 ? error.byte - 1 : 0;
    throw Error("{}:{}: not JSON: {}", name, line_at(text, offset),
                reason(error.what()));
  } catch (const nlohmann::json::exception& error) {  // a number out of range
    throw Error("{}: not JSON: {}", name, reason(error.what()));
  }
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view name,
                          int max_depth) {
  return checked_json<nlohmann::json>(text, name, max_depth);
}

nlohmann::ordered_json parse_ordered_json(std::string_view text,
                                          std::string_view name,
                                          int max_depth) {
  return checked_json<nlohmann::ordered_json>(text, name, max_depth);
}

nlohmann::json read_json(const std::filesystem::path& path,
                         uint64_t max_bytes) {
  return parse_json(read_file(path, max_bytes), path.string());
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text.substr(0, 60))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace seodang
