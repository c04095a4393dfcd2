// Texts as they are compared: without case, punctuation and spaces, but with
// the word boundaries remembered.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// The code points of valid UTF-8 in NFC.
std::u32string code_points(std::string_view text);

// Letters, digits, their marks and currency signs of the text, NFC, case folded
// (Unicode's full folding); everything else separates words.
struct PlainText {
  explicit PlainText(std::string_view text);

  std::u32string letters;
  std::vector<bool> starts_word;  // one for each letter

  size_t size() const { return letters.size(); }
  bool is_boundary(size_t at) const { return at == size() || starts_word[at]; }
};

// Whether `fact` stands in `text` at `at`: it begins a word and ends one, or is
// followed by nothing but Korean particles and endings ("서울" in
// "서울입니다"). Spaces between Hangul do not matter ("적도기니").
bool stands_at(const PlainText& text, size_t at, const PlainText& fact);

// Whether it does anywhere.
bool stands_in(const PlainText& text, const PlainText& fact);

bool is_hangul(char32_t c);

}  // namespace seodang
