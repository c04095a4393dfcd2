// UTF-8: finding and replacing what is not (The Unicode Standard, 3.9, table
// 3-7), and stepping through what is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace seodang {

// Byte offset of the first ill-formed sequence; npos when `text` is valid.
size_t find_invalid_utf8(std::string_view text);

// Every maximal subpart of an ill-formed sequence becomes one U+FFFD (the W3C
// practice, which Python and the browsers follow). Valid text comes back as is.
std::string replace_invalid_utf8(std::string_view text);

// Bytes of the well-formed character that `text` begins with, 0 if it begins
// with none. When it is 0, `*subpart` (if given) is the number of bytes that
// one U+FFFD replaces (at least 1 for non-empty text).
size_t utf8_character_size(std::string_view text, size_t* subpart = nullptr);

// True when `text` is the non-empty beginning of a character that more bytes
// could complete.
bool is_incomplete_utf8(std::string_view text);

// Appends one scalar value (not a surrogate, at most 10FFFF).
void append_utf8(std::string& out, char32_t scalar);

// The scalar value of one well-formed character.
char32_t decode_utf8(std::string_view character);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace seodang
