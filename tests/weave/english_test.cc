#include "weave/english.h"

#include <gtest/gtest.h>

namespace seodang {
namespace {

TEST(English, ArticleFollowsTheSound) {
  for (const char* noun :
       {"apple", "Egyptian", "hour", "MP", "HTML page", "SQL", "8-inch disk",
        "11", "18th", "umbrella", "EU", "unimportant thing", "utter mess"})
    EXPECT_EQ(article(noun), "an") << noun;
  for (const char* noun :
       {"city", "unit", "European", "PC", "one-way street", "NASA", "1", "110",
        "university", "USB stick", "", "\"quote\""})
    EXPECT_EQ(article(noun), "a") << noun;
}

TEST(English, Plural) {
  const char* cases[][2] = {{"city", "cities"},
                            {"day", "days"},
                            {"box", "boxes"},
                            {"bus", "buses"},
                            {"church", "churches"},
                            {"knife", "knives"},
                            {"leaf", "leaves"},
                            {"roof", "roofs"},
                            {"child", "children"},
                            {"Chilean peso", "Chilean pesos"},
                            {"basis", "bases"},
                            {"potato", "potatoes"},
                            {"photo", "photos"},
                            {"sheep", "sheep"},
                            {"Woman", "Women"},
                            {"Kennedy", "Kennedys"},
                            {"", ""}};
  for (const auto& [one, many] : cases) EXPECT_EQ(plural(one), many) << one;
}

}  // namespace
}  // namespace seodang
