#include "data/clean.h"

#include <gtest/gtest.h>

namespace seodang {
namespace {

TEST(CleanText, ComposesAsUnicodeSays) {
  // From the Unicode character database, NormalizationTest.txt (source; NFC).
  EXPECT_EQ(clean_text("\u1112\u1161\u11AB\u1100\u1173\u11AF"), "한글");
  EXPECT_EQ(clean_text("e\u0301"), "\u00E9");
  EXPECT_EQ(clean_text("\u212B"), "\u00C5");              // angstrom sign
  EXPECT_EQ(clean_text("\uFB01"), "\uFB01");              // not NFKC
  EXPECT_EQ(clean_text("\u0958"), "\u0915\u093C");        // excluded
  EXPECT_EQ(clean_text("\u1E0A\u0323"), "\u1E0C\u0307");  // reordered
  EXPECT_EQ(clean_text("\uAC00\u11A8"), "\uAC01");        // LV + T
}

TEST(CleanText, HasOneKindOfLineEndAndNoControls) {
  EXPECT_EQ(clean_text("a\r\nb\rc\n\nd"), "a\nb\nc\n\nd");
  EXPECT_EQ(clean_text("a\x01\x7F\u0085\u009Fb\tc\uFEFF"), "ab\tc");
  EXPECT_EQ(clean_text("\u00A0서\u00A1"), "\u00A0서\u00A1");
}

TEST(CleanText, TrimsButKeepsTheFirstIndentation) {
  EXPECT_EQ(clean_text("\n \n\n  if a:\n    b \n\n"), "  if a:\n    b");
  EXPECT_EQ(clean_text(" \n\t\n"), "");
  EXPECT_EQ(clean_text(""), "");
}

}  // namespace
}  // namespace seodang
