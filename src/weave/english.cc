#include "weave/english.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace seodang {
namespace {

using std::string_view;

bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return is_capital(c) || (c >= 'a' && c <= 'z'); }
bool is_vowel(char c) {
  return string_view("aeiouAEIOU").find(c) != string_view::npos;
}

std::string lower(string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

constexpr std::array<std::pair<string_view, string_view>, 17> kIrregular = {
    {{"man", "men"},
     {"woman", "women"},
     {"child", "children"},
     {"person", "people"},
     {"foot", "feet"},
     {"tooth", "teeth"},
     {"goose", "geese"},
     {"mouse", "mice"},
     {"ox", "oxen"},
     {"sheep", "sheep"},
     {"fish", "fish"},
     {"deer", "deer"},
     {"series", "series"},
     {"species", "species"},
     {"aircraft", "aircraft"},
     {"datum", "data"},
     {"criterion", "criteria"}}};
constexpr std::array<string_view, 11> kVes = {"knife", "life", "wife", "leaf",
                                              "loaf",  "half", "calf", "wolf",
                                              "shelf", "self", "thief"};
constexpr std::array<string_view, 8> kOes = {"potato",   "tomato", "hero",
                                             "echo",     "veto",   "torpedo",
                                             "mosquito", "volcano"};

}  // namespace

string_view article(string_view spoken) {
  while (!spoken.empty() && !is_letter(spoken[0]) &&
         !std::isdigit(static_cast<unsigned char>(spoken[0])))
    spoken.remove_prefix(1);
  if (spoken.empty()) return "a";
  // eight, eleven, eighteen, eighty…
  if (!is_letter(spoken[0])) {
    const auto end = std::ranges::find_if_not(
        spoken, [](unsigned char c) { return std::isdigit(c); });
    const auto digits = static_cast<size_t>(end - spoken.begin());
    return spoken[0] == '8' || (digits % 3 == 2 && spoken.starts_with("11")) ||
                   (digits % 3 == 2 && spoken.starts_with("18"))
               ? "an"
               : "a";
  }
  const auto end = std::ranges::find_if_not(spoken, is_letter);
  const string_view word(spoken.begin(), end);
  constexpr size_t kLetters = 3;
  if (std::ranges::all_of(word, is_capital) &&
      (word.size() <= kLetters || std::ranges::none_of(word, is_vowel)))
    return string_view("AEFHILMNORSX").find(word[0]) != string_view::npos ? "an"
                                                                          : "a";
  const std::string small = lower(word);
  for (const string_view silent : {"hour", "honest", "honour", "honor", "heir"})
    if (small.starts_with(silent)) return "an";
  for (const string_view open :
       {"uni", "use", "usu", "eu", "one", "once", "util", "uten", "utop"})
    if (small.starts_with(open) && !small.starts_with("unin") &&
        !small.starts_with("unim"))
      return "a";
  return is_vowel(word[0]) ? "an" : "a";
}

std::string plural(string_view noun) {
  // The last word carries it.
  const size_t space = noun.rfind(' ');
  const string_view before =
      space == noun.npos ? "" : noun.substr(0, space + 1);
  const string_view word = noun.substr(before.size());
  const std::string small = lower(word);
  const auto with = [&](string_view stem, string_view ending) {
    return std::string(before) + std::string(stem) + std::string(ending);
  };
  for (const auto& [one, many] : kIrregular)
    if (small == one) {
      std::string out(many);
      if (is_capital(word[0]))
        out[0] =
            static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
      return std::string(before) + out;
    }
  if (word.empty()) return std::string(noun);
  const bool f = small.ends_with("fe");
  if (std::ranges::find(kVes, string_view(small)) != kVes.end())
    return with(word.substr(0, word.size() - (f ? 2 : 1)), "ves");
  if (std::ranges::find(kOes, string_view(small)) != kOes.end())
    return with(word, "es");
  for (const string_view sibilant : {"s", "x", "z", "ch", "sh"})
    if (small.ends_with(sibilant)) {
      if (small.ends_with("sis") || small.ends_with("xis"))
        return with(word.substr(0, word.size() - 2), "es");
      return with(word, "es");
    }
  if (small.size() > 1 && small.back() == 'y' &&
      !is_vowel(small[small.size() - 2]) && !is_capital(word[0]))
    return with(word.substr(0, word.size() - 1), "ies");
  return with(word, "s");
}

}  // namespace seodang
