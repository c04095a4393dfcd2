// Korean particles agree with the sound their noun ends in: 서울은 but 파리는,
// 서울로 but 베를린으로.
#pragma once

#include <string>
#include <string_view>

namespace seodang {

// How the noun ends when read aloud.
enum class FinalSound { vowel, rieul, consonant, unknown };

// The sound of the last letter or digit. Closing quotes and punctuation are
// passed over, and so is a parenthesis that closes the noun (the norm has the
// particle follow the word before it: 콩고(DRC)는). Hangul is exact; digits are
// read in Sino-Korean (10 is 십), units and signs behind them as what they
// stand for (5km는, 3kg은, 7%는); capitals and words without a vowel are read
// letter by letter (HR은, png는), other Latin words by their last letters, as
// loan words are usually written.
FinalSound final_sound(std::string_view noun);

// The form of `particle` after `noun`. Known particles, named by their forms:
//   은는 이가 을를 과와 아야 으로
// and 이다 이며 이고 이라 … : every one that begins with 이 drops it after a
// vowel (이었다 becomes 였다, 이에요 예요). Throws Error for any other. After
// an unknown sound it is written 은(는), (으)로, (이)다.
std::string particle_form(std::string_view noun, std::string_view particle);

}  // namespace seodang
