#include "weave/particles.h"

#include <gtest/gtest.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"

namespace seodang {
namespace {

// Another way to the same answer: Unicode's decomposition of the last syllable,
// whose third jamo, if any, is the final consonant.
FinalSound by_decomposition(const std::string& noun) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
  const icu::UnicodeString jamo =
      nfd->normalize(icu::UnicodeString::fromUTF8(noun), status);
  const char16_t last = jamo.charAt(jamo.length() - 1);
  if (last == 0x11AF) return FinalSound::rieul;
  if (last >= 0x11A8 && last <= 0x11C2) return FinalSound::consonant;
  if (last >= 0x1161 && last <= 0x1175) return FinalSound::vowel;
  return FinalSound::unknown;
}

TEST(Particles, AgreeWithTheLastJamoOfEveryFact) {
  const nlohmann::json facts =
      read_json(SEODANG_SOURCE_DIR "/data/world/facts.json");
  int checked = 0;
  for (const auto& thing : facts)
    for (const auto& [attribute, values] : thing["ko"].items()) {
      if (attribute == "also") continue;
      for (const auto& value :
           values.is_array() ? values : nlohmann::json::array({values})) {
        const std::string noun = value;
        const FinalSound expected = by_decomposition(noun);
        if (expected == FinalSound::unknown) continue;
        EXPECT_EQ(final_sound(noun), expected) << noun;
        ++checked;
      }
    }
  EXPECT_GT(checked, 1000);
}

TEST(Particles, EveryForm) {
  const struct {
    const char *noun, *particle, *form;
  } cases[] = {
      {"서울", "은는", "은"},     {"파리", "은는", "는"},
      {"서울", "이가", "이"},     {"파리", "이가", "가"},
      {"서울", "을를", "을"},     {"파리", "을를", "를"},
      {"서울", "과와", "과"},     {"파리", "과와", "와"},
      {"베를린", "으로", "으로"}, {"서울", "으로", "로"},
      {"파리", "으로", "로"},     {"지훈", "아야", "아"},
      {"민지", "아야", "야"},     {"서울", "이다", "이다"},
      {"파리", "이다", "다"},     {"서울", "이에요", "이에요"},
      {"파리", "이에요", "예요"}, {"파리", "이었다", "였다"},
      {"파리", "이라는", "라는"}, {"서울", "이라는", "이라는"},
  };
  for (const auto& [noun, particle, form] : cases)
    EXPECT_EQ(particle_form(noun, particle), form) << noun << particle;
}

// How each is read aloud is in the comment.
TEST(Particles, LettersDigitsAndParentheses) {
  const struct {
    const char *noun, *particle, *form;
  } cases[] = {
      {"워싱턴 D.C.", "은는", "는"},  // 디시
      {"CNN", "은는", "은"},          // 시엔엔
      {"KTX", "을를", "를"},          // 케이티엑스
      {"URL", "으로", "로"},          // 유아르엘
      {"Berlin", "이가", "이"},       // 베를린
      {"Seoul", "으로", "로"},        // 서울
      {"Tokyo", "은는", "는"},        // 도쿄
      {"Beijing", "은는", "은"},      // 베이징
      {"R", "은는", "은"},            // 알
      {"HR", "은는", "은"},           // 에이치알
      {"PDF", "은는", "는"},          // 피디에프
      {"png", "은는", "는"},          // 피엔지
      {"rpm", "은는", "은"},          // 아르피엠
      {"5km", "은는", "는"},          // 오 킬로미터
      {"3 kg", "으로", "으로"},       // 삼 킬로그램
      {"1%", "은는", "는"},           // 일 퍼센트
      {"20℃", "을를", "를"},          // 이십 도
      {"3", "은는", "은"},            // 삼
      {"7", "으로", "로"},            // 칠
      {"2", "이가", "가"},            // 이
      {"10", "으로", "으로"},         // 십
      {"1000", "을를", "을"},         // 천
      {"콩고(DRC)", "은는", "는"},    // the word before the parenthesis
      {"대한민국(수도 파리)", "은는", "은"},
      {"\"서울\"", "은는", "은"},  // quotes are passed over
      {"…", "은는", "은(는)"},
      {"", "으로", "(으)로"},
  };
  for (const auto& [noun, particle, form] : cases)
    EXPECT_EQ(particle_form(noun, particle), form) << noun << particle;
}

TEST(Particles, UnknownOnesAreRefused) {
  EXPECT_THROW(particle_form("서울", "는"), Error);
  EXPECT_THROW(particle_form("서울", "이"), Error);
  EXPECT_THROW(particle_form("서울", ""), Error);
}

}  // namespace
}  // namespace seodang
