#include "data/plain_text.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace seodang {
namespace {

icu::UnicodeString nfc(const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(status);
  icu::UnicodeString out = form->normalize(text, status);
  if (U_FAILURE(status)) throw Error("Unicode normalization failed");
  return out;
}

std::u32string to_utf32(const icu::UnicodeString& text) {
  std::u32string out;
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1))
    out.push_back(static_cast<char32_t>(text.char32At(i)));
  return out;
}

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

bool is_letter(char32_t c) {
  // The apostrophes of "Nukuʻalofa" are letters to Unicode and marks to people.
  if (c == 0x2BB || c == 0x2BC) return false;
  const auto code = static_cast<UChar32>(c);
  return u_isalnum(code) || (U_GET_GC_MASK(code) & U_GC_M_MASK) != 0 ||
         u_charType(code) == U_CURRENCY_SYMBOL;
}

// Particles and endings that may follow a fact, each of them followed by others
// ("에서" + "는"). Longer words made of a fact and more ("중국어" behind
// "중국", "기니비사우" behind "기니") must not be spelled by them.
constexpr std::array<std::u32string_view, 94> kEndings = {
    U"은",     U"는",     U"이",       U"가",         U"을",       U"를",
    U"의",     U"에",     U"와",       U"과",         U"도",       U"만",
    U"로",     U"으로",   U"이나",     U"나",         U"랑",       U"이랑",
    U"하고",   U"에서",   U"에게",     U"부터",       U"까지",     U"처럼",
    U"보다",   U"마다",   U"조차",     U"뿐",         U"이며",     U"며",
    U"이고",   U"고",     U"이다",     U"다",         U"입니다",   U"이에요",
    U"예요",   U"에요",   U"이야",     U"야",         U"이죠",     U"죠",
    U"이지요", U"지요",   U"인데",     U"인데요",     U"이라",     U"라",
    U"이라고", U"라고",   U"이라는",   U"라는",       U"이란",     U"란",
    U"인",     U"이었다", U"였다",     U"이었습니다", U"였습니다", U"이었고",
    U"였고",   U"이네요", U"네요",     U"이랍니다",   U"랍니다",   U"이래요",
    U"래요",   U"이면서", U"면서",     U"이므로",     U"므로",     U"이지만",
    U"지만",   U"이어서", U"여서",     U"이거든요",   U"거든요",   U"요",
    U"이란다", U"란다",   U"입니다만", U"이군요",     U"군요",     U"합니다",
    U"한다",   U"해요",   U"됩니다",   U"이라서",     U"라서",     U"이니",
    U"니",     U"인가",   U"께",       U"서",
};

bool is_endings(std::u32string_view rest) {
  if (rest.empty()) return true;
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::u32string_view ending) {
                       return rest.starts_with(ending) &&
                              is_endings(rest.substr(ending.size()));
                     });
}

}  // namespace

std::u32string code_points(std::string_view text) {
  return to_utf32(nfc(from_utf8(text)));
}

PlainText::PlainText(std::string_view text) {
  icu::UnicodeString folded = nfc(from_utf8(text));
  folded = nfc(folded.foldCase());
  bool apart = true;
  for (const char32_t c : to_utf32(folded)) {
    if (!is_letter(c)) {
      apart = true;
      continue;
    }
    letters.push_back(c);
    starts_word.push_back(apart);
    apart = false;
  }
}

bool is_hangul(char32_t c) { return c >= 0xAC00 && c <= 0xD7A3; }

bool stands_at(const PlainText& text, size_t at, const PlainText& fact) {
  const size_t end = at + fact.size();
  if (fact.size() == 0 || end > text.size() || !text.starts_word[at] ||
      text.letters.compare(at, fact.size(), fact.letters) != 0)
    return false;
  for (size_t i = 1; i < fact.size(); ++i) {
    const bool same_word = text.starts_word[at + i] == fact.starts_word[i];
    if (!same_word && !is_hangul(fact.letters[i])) return false;
  }
  size_t word_end = end;
  while (!text.is_boundary(word_end)) ++word_end;
  return is_endings(
      std::u32string_view(text.letters).substr(end, word_end - end));
}

bool stands_in(const PlainText& text, const PlainText& fact) {
  for (size_t at = 0; at < text.size(); ++at)
    if (stands_at(text, at, fact)) return true;
  return false;
}

}  // namespace seodang
