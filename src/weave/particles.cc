#include "weave/particles.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "data/plain_text.h"

namespace seodang {
namespace {

using std::string_view;

struct Pair {
  string_view name, consonant, vowel, unknown;
};
constexpr std::array<Pair, 6> kPairs = {{{"은는", "은", "는", "은(는)"},
                                         {"이가", "이", "가", "이(가)"},
                                         {"을를", "을", "를", "을(를)"},
                                         {"과와", "과", "와", "과(와)"},
                                         {"아야", "아", "야", "아(야)"},
                                         {"으로", "으로", "로", "(으)로"}}};

std::u32string scalars(string_view text) {
  std::u32string result;
  while (!text.empty()) {
    const size_t size = utf8_character_size(text);
    if (size == 0) break;
    result.push_back(decode_utf8(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return result;
}

bool is_upper(char32_t c) { return c >= U'A' && c <= U'Z'; }
bool is_lower(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= 0xDF && c <= 0x24F && c != 0xF7);
}
bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_spoken(char32_t c) {
  return is_upper(c) || is_lower(c) || is_digit(c) || is_hangul(c);
}

FinalSound of_hangul(char32_t syllable) {
  constexpr int kFinals = 28, kRieul = 8;
  const int final = static_cast<int>(syllable - 0xAC00) % kFinals;
  return final == 0        ? FinalSound::vowel
         : final == kRieul ? FinalSound::rieul
                           : FinalSound::consonant;
}

FinalSound of_digits(const std::u32string& text, size_t last) {
  // 영 일 이 삼 사 오 육 칠 팔 구; a number that ends in zeros ends in 십, 백,
  // 천, 만 or 억, all closed.
  constexpr string_view kEndings = "clvcvvcllv";
  if (text[last] == U'0') return FinalSound::consonant;
  const char ending = kEndings[text[last] - U'0'];
  return ending == 'v'   ? FinalSound::vowel
         : ending == 'l' ? FinalSound::rieul
                         : FinalSound::consonant;
}

// Signs and units that follow a number: 퍼센트, 도, 미터, 그램, 리터, 톤…
struct Unit {
  std::u32string_view text;
  FinalSound sound;
};
constexpr std::array<Unit, 15> kUnits = {{{U"%", FinalSound::vowel},
                                          {U"°", FinalSound::vowel},
                                          {U"℃", FinalSound::vowel},
                                          {U"m", FinalSound::vowel},
                                          {U"mm", FinalSound::vowel},
                                          {U"cm", FinalSound::vowel},
                                          {U"km", FinalSound::vowel},
                                          {U"nm", FinalSound::vowel},
                                          {U"g", FinalSound::consonant},
                                          {U"mg", FinalSound::consonant},
                                          {U"kg", FinalSound::consonant},
                                          {U"t", FinalSound::consonant},
                                          {U"l", FinalSound::vowel},
                                          {U"L", FinalSound::vowel},
                                          {U"mL", FinalSound::vowel}}};

// The unit that ends `text` right behind a number, perhaps a space between.
const Unit* unit_of(std::u32string_view text) {
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.text)) continue;
    std::u32string_view before = text.substr(0, text.size() - unit.text.size());
    if (before.ends_with(U' ')) before.remove_suffix(1);
    if (!before.empty() && is_digit(before.back())) return &unit;
  }
  return nullptr;
}

FinalSound of_latin(const std::u32string& text, size_t last) {
  size_t first = last;
  while (first > 0 && (is_upper(text[first - 1]) || is_lower(text[first - 1])))
    --first;
  const char32_t c = text[last];
  const auto is_vowel = [](char32_t letter) {
    return letter > 0x7F || std::u32string_view(U"aeiouyAEIOUY").find(letter) !=
                                std::u32string_view::npos;
  };
  const bool unpronounceable = std::none_of(
      text.begin() + static_cast<std::ptrdiff_t>(first),
      text.begin() + static_cast<std::ptrdiff_t>(last) + 1, is_vowel);
  if (is_upper(c) || unpronounceable) {
    // 엘 엠 엔 알, the other names of letters end open
    const char32_t letter = is_upper(c) ? c : c - U'a' + U'A';
    return letter == U'L' || letter == U'R'   ? FinalSound::rieul
           : letter == U'M' || letter == U'N' ? FinalSound::consonant
                                              : FinalSound::vowel;
  }
  if (c == U'l') return FinalSound::rieul;
  if (c == U'm' || c == U'n') return FinalSound::consonant;
  const bool after_vowel =
      last > first &&
      string_view("aeiou").find(static_cast<char>(text[last - 1] & 0x7F)) !=
          string_view::npos;
  if (c == U'g' && last > first && text[last - 1] == U'n')
    return FinalSound::consonant;
  if ((c == U'b' || c == U'c' || c == U'k' || c == U'p' || c == U't') &&
      after_vowel)
    return FinalSound::consonant;
  return FinalSound::vowel;  // others take a helping 으 or 이
}

// The index past the word proper: before a parenthesis that closes it.
size_t before_parenthesis(const std::u32string& text) {
  size_t end = text.size();
  while (end > 0 && text[end - 1] == U' ') --end;
  if (end == 0 || text[end - 1] != U')') return end;
  const size_t open = text.rfind(U'(', end - 1);
  return open == text.npos || open == 0 ? end : open;
}

}  // namespace

FinalSound final_sound(string_view noun) {
  const std::u32string text = scalars(noun);
  size_t end = before_parenthesis(text);
  if (const Unit* unit = unit_of(std::u32string_view(text).substr(0, end)))
    return unit->sound;
  while (end > 0 && !is_spoken(text[end - 1])) --end;
  if (end == 0) return FinalSound::unknown;
  const char32_t c = text[end - 1];
  if (is_hangul(c)) return of_hangul(c);
  return is_digit(c) ? of_digits(text, end - 1) : of_latin(text, end - 1);
}

std::string particle_form(string_view noun, string_view particle) {
  const FinalSound sound = final_sound(noun);
  for (const Pair& pair : kPairs) {
    if (pair.name != particle) continue;
    if (sound == FinalSound::unknown) return std::string(pair.unknown);
    const bool open = sound == FinalSound::vowel ||
                      (particle == "으로" && sound == FinalSound::rieul);
    return std::string(open ? pair.vowel : pair.consonant);
  }
  constexpr string_view kI = "이";
  if (!particle.starts_with(kI) || particle == kI)
    throw Error(
        "unknown particle \"{}\": use 은는, 이가, 을를, 과와, 아야, 으로 "
        "or one that begins with 이, such as 이다",
        particle);
  if (sound == FinalSound::consonant || sound == FinalSound::rieul)
    return std::string(particle);
  const string_view rest = particle.substr(kI.size());
  if (sound == FinalSound::unknown) return "(이)" + std::string(rest);
  for (const auto& [after, fused] :
       {std::pair<string_view, string_view>{"었", "였"}, {"에요", "예요"}})
    if (rest.starts_with(after))
      return std::string(fused) + std::string(rest.substr(after.size()));
  return std::string(rest);
}

}  // namespace seodang
