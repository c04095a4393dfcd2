#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace seodang {
namespace {

// What a lead byte asks for: the length, and the range of the second byte.
struct Lead {
  size_t size;
  uint8_t low, high;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Bytes of `text` that agree with what its lead byte asks for.
size_t matching_bytes(std::string_view text, Lead lead) {
  size_t n = 1;
  while (n < lead.size && n < text.size()) {
    const uint8_t byte = text[n];
    const uint8_t low = n == 1 ? lead.low : 0x80;
    const uint8_t high = n == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) break;
    ++n;
  }
  return n;
}

// Bytes of ASCII at the front of `text`, found eight at a time.
size_t ascii_prefix(std::string_view text) {
  size_t n = 0;
  for (; n + 8 <= text.size(); n += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + n, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (n < text.size() && static_cast<uint8_t>(text[n]) < 0x80) ++n;
  return n;
}

}  // namespace

size_t utf8_character_size(std::string_view text, size_t* subpart) {
  if (subpart) *subpart = 0;
  if (text.empty()) return 0;
  const Lead lead = lead_of(text[0]);
  const size_t n = matching_bytes(text, lead);
  if (lead.size != 0 && n == lead.size) return n;
  if (subpart) *subpart = n;
  return 0;
}

bool is_incomplete_utf8(std::string_view text) {
  if (text.empty()) return false;
  const Lead lead = lead_of(text[0]);
  return text.size() < lead.size && matching_bytes(text, lead) == text.size();
}

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    at += ascii_prefix(text.substr(at));
    if (at == text.size()) break;
    const size_t size = utf8_character_size(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (;;) {
    const size_t bad = find_invalid_utf8(text);
    out += text.substr(0, bad);
    if (bad == std::string_view::npos) return out;
    text.remove_prefix(bad);
    size_t subpart;
    utf8_character_size(text, &subpart);
    out += kReplacementCharacter;
    text.remove_prefix(subpart);
  }
}

void append_utf8(std::string& out, char32_t scalar) {
  if (scalar < 0x80) {
    out += static_cast<char>(scalar);
  } else if (scalar < 0x800) {
    out += static_cast<char>(0xC0 | scalar >> 6);
    out += static_cast<char>(0x80 | (scalar & 0x3F));
  } else if (scalar < 0x10000) {
    out += static_cast<char>(0xE0 | scalar >> 12);
    out += static_cast<char>(0x80 | (scalar >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (scalar & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | scalar >> 18);
    out += static_cast<char>(0x80 | (scalar >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (scalar >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (scalar & 0x3F));
  }
}

char32_t decode_utf8(std::string_view character) {
  const uint8_t first = character[0];
  if (character.size() == 1) return first;
  char32_t scalar = first & (0xFF >> (character.size() + 1));
  for (char byte : character.substr(1)) scalar = scalar << 6 | (byte & 0x3F);
  return scalar;
}

}  // namespace seodang
