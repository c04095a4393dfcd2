#include "base/utf8.h"

#include <gtest/gtest.h>

namespace seodang {
namespace {

TEST(Utf8, EveryScalarValueIsValidAndDecodes) {
  for (char32_t scalar = 0; scalar <= 0x10FFFF; ++scalar) {
    if (scalar >= 0xD800 && scalar < 0xE000) continue;
    std::string text;
    append_utf8(text, scalar);
    ASSERT_EQ(find_invalid_utf8(text), std::string_view::npos)
        << uint32_t{scalar};
    ASSERT_EQ(utf8_character_size(text), text.size());
    ASSERT_EQ(decode_utf8(text), scalar);
    for (size_t n = 1; n < text.size(); ++n)
      ASSERT_TRUE(is_incomplete_utf8(text.substr(0, n)));
  }
}

TEST(Utf8, SurrogatesOverlongsAndTooLargeAreInvalid) {
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(find_invalid_utf8(bad), 0u);
    EXPECT_FALSE(is_incomplete_utf8(std::string_view(bad).substr(0, 2)));
  }
}

// The Unicode Standard 15.0, 3.9, tables 3-8 to 3-11 (U+FFFD where each row
// has it).
TEST(Utf8, ReplacesMaximalSubpartsAsTheStandardShows) {
  const std::string fffd(kReplacementCharacter);
  auto times = [&](int n) {
    std::string out;
    while (n-- > 0) out += fffd;
    return out;
  };
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            times(8) + "A");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            times(8) + "A");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            times(5) + "A" + times(2) + "B");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            times(4) + "A");
}

TEST(Utf8, FindsTheOffsetPastLongValidText) {
  const std::string text = std::string(1000, 'a') + "한국어";
  EXPECT_EQ(find_invalid_utf8(text + "\xED\x95"), text.size());
  EXPECT_EQ(replace_invalid_utf8(text + "\xED\x95"), text + "\xEF\xBF\xBD");
  EXPECT_EQ(replace_invalid_utf8(text), text);
}

}  // namespace
}  // namespace seodang
