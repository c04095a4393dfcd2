#include "tokenizer/byte_level.h"

#include <algorithm>
#include <numeric>

#include "base/utf8.h"

namespace seodang {
namespace {

constexpr char32_t kEnd = 0x100 + 68;  // one past the last character

struct Table {
  std::array<std::string, 256> spelling;
  std::array<char32_t, 256> character;
  std::array<int, kEnd> byte;  // -1 for characters outside the table
  std::array<uint8_t, 256> order;

  Table() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable =
          (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = printable ? static_cast<char32_t>(b) : next++;
      append_utf8(spelling[b], character[b]);
      byte[character[b]] = b;
    }
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) {
      return character[a] < character[b];
    });
  }
};

const Table& table() {
  static const Table instance;
  return instance;
}

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  for (char byte : bytes) out += table().spelling[static_cast<uint8_t>(byte)];
  return out;
}

std::optional<std::string> unspell_bytes(std::string_view spelling) {
  std::string out;
  while (!spelling.empty()) {
    const size_t size = utf8_character_size(spelling);
    if (size == 0) return std::nullopt;
    const char32_t character = decode_utf8(spelling.substr(0, size));
    if (character >= kEnd || table().byte[character] < 0) return std::nullopt;
    out += static_cast<char>(table().byte[character]);
    spelling.remove_prefix(size);
  }
  return out;
}

const std::array<uint8_t, 256>& bytes_by_spelling() { return table().order; }

}  // namespace seodang
