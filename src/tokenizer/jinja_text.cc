#include "tokenizer/jinja_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

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

std::vector<std::string> split_words(std::string_view text, int64_t limit) {
  std::vector<std::string> out;
  const auto all = characters(strip(text, Side::both, ""));
  for (size_t i = 0; i < all.size();) {
    if (is_space(all[i])) {
      ++i;
      continue;
    }
    std::string& word = out.emplace_back();
    for (; i < all.size() && (limit == 0 || !is_space(all[i])); ++i)
      word += all[i];
    --limit;
  }
  return out;
}

}  // namespace

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
  const auto all = characters(text);
  auto strips = [&](std::string_view c) {
    return set.empty() ? is_space(c) : set.find(c) != set.npos;
  };
  size_t begin = 0, end = all.size();
  if (side != Side::right)
    while (begin < end && strips(all[begin])) ++begin;
  if (side != Side::left)
    while (begin < end && strips(all[end - 1])) --end;
  if (begin == end) return {};
  const char* first = all[begin].data();
  return {first, static_cast<size_t>(all[end - 1].data() + all[end - 1].size() -
                                     first)};
}

std::string upper(std::string_view text) {
  return narrow(wide(text).toUpper(icu::Locale::getRoot()));
}

std::string lower(std::string_view text) {
  return narrow(wide(text).toLower(icu::Locale::getRoot()));
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
  for (size_t at; limit != 0 && (at = text.find(separator)) != text.npos;
       --limit) {
    out.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  out.emplace_back(text);
  return out;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    out.emplace_back(text.substr(0, end));
    const bool two = text.substr(end, 2) == "\r\n";
    text.remove_prefix(std::min(text.size(), end + (two ? 2 : 1)));
  }
  return out;
}

std::string replace(std::string_view text, std::string_view from,
                    std::string_view to, int64_t limit) {
  if (from.empty()) throw Error("replace: nothing to look for");
  std::string out;
  for (size_t at; limit != 0 && (at = text.find(from)) != text.npos; --limit) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

}  // namespace seodang::jinja
