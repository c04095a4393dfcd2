#include "jinja/python_string.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace seodang::jinja {
namespace {

// str.isspace(): Unicode's White_Space and the four information separators.
bool is_space(std::string_view character) {
  const char32_t c = decode_utf8(character);
  return u_isUWhiteSpace(static_cast<UChar32>(c)) || (c >= 0x1C && c <= 0x1F);
}

icu::UnicodeString wide(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string narrow(const icu::UnicodeString& text) {
  std::string out;
  return text.toUTF8String(out);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c & 0x80) == 0; });
}

std::string each_byte(std::string_view text, UChar32 (*change)(UChar32)) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(change(c));
  return out;
}

std::string_view first_character(std::string_view text) {
  return text.substr(0, std::max<size_t>(1, utf8_character_size(text)));
}

std::string_view last_character(std::string_view text) {
  size_t size = 1;
  while (size < std::min<size_t>(4, text.size()) &&
         (static_cast<unsigned char>(text[text.size() - size]) & 0xC0) == 0x80)
    ++size;
  return text.substr(text.size() - size);
}

// Bytes at the beginning of `text` whose characters are spaces, or are not.
size_t run_of(bool spaces, std::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const std::string_view c = first_character(text.substr(size));
    if (is_space(c) != spaces) break;
    size += c.size();
  }
  return size;
}

std::vector<std::string> split_words(std::string_view text, int64_t limit) {
  std::vector<std::string> out;
  for (;; --limit) {
    text.remove_prefix(run_of(true, text));
    if (text.empty()) return out;
    const size_t size = limit == 0 ? text.size() : run_of(false, text);
    out.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
}

}  // namespace

size_t find_text(std::string_view text, std::string_view part) {
  const void* at = memmem(text.data(), text.size(), part.data(), part.size());
  return at == nullptr ? text.npos : static_cast<const char*>(at) - text.data();
}

size_t find_last_text(std::string_view text, std::string_view part) {
  const std::string mirrored(text.rbegin(), text.rend());
  const size_t at =
      find_text(mirrored, {std::string(part.rbegin(), part.rend())});
  return at == text.npos ? at : text.size() - at - part.size();
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t size =
        std::max<size_t>(1, utf8_character_size(text.substr(at)));
    out.push_back(text.substr(at, size));
    at += size;
  }
  return out;
}

std::string_view strip(std::string_view text, Side side, std::string_view set) {
  std::vector<std::string_view> stripped = characters(set);
  std::sort(stripped.begin(), stripped.end());
  auto strips = [&](std::string_view c) {
    return set.empty()
               ? is_space(c)
               : std::binary_search(stripped.begin(), stripped.end(), c);
  };
  if (side != Side::right)
    while (!text.empty() && strips(first_character(text)))
      text.remove_prefix(first_character(text).size());
  if (side != Side::left)
    while (!text.empty() && strips(last_character(text)))
      text.remove_suffix(last_character(text).size());
  return text;
}

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xC0) != 0x80; });
}

std::string_view substring(std::string_view text, int64_t begin, int64_t end) {
  auto skip = [](std::string_view from, int64_t count) {
    size_t size = 0;
    for (; count > 0 && size < from.size(); --count)
      size += first_character(from.substr(size)).size();
    return size;
  };
  text.remove_prefix(skip(text, begin));
  return text.substr(0, skip(text, end - std::max<int64_t>(begin, 0)));
}

std::string upper(std::string_view text) {
  if (is_ascii(text)) return each_byte(text, u_toupper);
  return narrow(wide(text).toUpper(icu::Locale::getRoot()));
}

std::string lower(std::string_view text) {
  if (is_ascii(text)) return each_byte(text, u_tolower);
  return narrow(wide(text).toLower(icu::Locale::getRoot()));
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (std::string_view c : characters(text))
    out +=
        u_isupper(static_cast<UChar32>(decode_utf8(c))) ? lower(c) : upper(c);
  return out;
}

std::string title(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (std::string_view c : characters(text)) {
    out += in_word ? lower(c) : upper(c);
    in_word = u_isalpha(static_cast<UChar32>(decode_utf8(c)));
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  const size_t first = characters(text)[0].size();
  return upper(text.substr(0, first)) + lower(text.substr(first));
}

std::vector<std::string> split(std::string_view text,
                               std::string_view separator, int64_t limit) {
  if (separator.empty()) return split_words(text, limit);
  std::vector<std::string> out;
  for (size_t at; limit != 0 && (at = find_text(text, separator)) != text.npos;
       --limit) {
    out.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  out.emplace_back(text);
  return out;
}

std::vector<std::string> split_right(std::string_view text,
                                     std::string_view separator,
                                     int64_t limit) {
  std::vector<std::string> out;
  if (separator.empty()) {
    for (text = strip(text, Side::right, ""); limit != 0 && !text.empty();
         --limit, text = strip(text, Side::right, "")) {
      size_t begin = text.size();
      for (std::string_view c;
           begin > 0 && !is_space(c = last_character(text.substr(0, begin)));)
        begin -= c.size();
      out.emplace_back(text.substr(begin));
      text = text.substr(0, begin);
    }
    if (!text.empty()) out.emplace_back(text);
  } else {
    const auto mirrored = [](std::string_view given) {
      return std::string(given.rbegin(), given.rend());
    };
    for (const std::string& part :
         split(mirrored(text), mirrored(separator), limit))
      out.push_back(mirrored(part));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const bool two = text.substr(end, 2) == "\r\n";
    const size_t size = std::min(text.size(), end + (two ? 2 : 1));
    out.emplace_back(text.substr(0, keep_ends ? size : end));
    text.remove_prefix(size);
  }
  return out;
}

size_t most_pieces(std::string_view text, std::string_view separator) {
  size_t count = 1;
  if (separator.size() <= 1) {
    for (const char c : text)
      count += separator.empty()
                   ? static_cast<unsigned char>(c) <= ' ' || (c & 0x80) != 0
                   : c == separator[0];
    return count;
  }
  return count + text.size() / separator.size();
}

bool consists_of(std::string_view text, Kind kind) {
  bool cased = false;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view letter = first_character(rest);
    const auto c = static_cast<UChar32>(decode_utf8(letter));
    rest.remove_prefix(letter.size());
    if (kind == Kind::upper || kind == Kind::lower) {
      if (u_isupper(c) != 0 || u_islower(c) != 0) {
        if ((u_isupper(c) != 0) != (kind == Kind::upper)) return false;
        cased = true;
      }
      continue;
    }
    const bool fits = kind == Kind::space        ? is_space(letter)
                      : kind == Kind::digit      ? u_isdigit(c) != 0
                      : kind == Kind::alphabetic ? u_isalpha(c) != 0
                                                 : u_isalnum(c) != 0;
    if (!fits) return false;
  }
  return kind == Kind::upper || kind == Kind::lower ? cased : !text.empty();
}

std::string replace(std::string_view text, std::string_view from,
                    std::string_view to, int64_t limit) {
  std::string out;
  if (from.empty()) {  // between all characters, and at both ends
    for (const std::string_view c : characters(text)) {
      if (limit-- != 0) out += to;
      out += c;
    }
    return limit != 0 ? out += to : out;
  }
  for (size_t at; limit != 0 && (at = find_text(text, from)) != text.npos;
       --limit) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

}  // namespace seodang::jinja
