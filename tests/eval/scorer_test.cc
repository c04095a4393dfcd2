#include "eval/scorer.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "error_of.h"
#include "generate/tiny_model.h"

namespace seodang {
namespace {

std::filesystem::path scorer_file(std::string_view text) {
  const auto path = scratch_directory() / "scorer.toml";
  write_file(path, text);
  return path;
}

constexpr std::string_view kReport = R"(
[[check]]
name = "sections"
lines = ["1. Visit", "2. Costs"]

[[check]]
name = "city"
input = '^City: (.+)$'
output = '^- city: (.+)$'

[[check]]
name = "sum"
addends = '^\| (?!Total)\w+ \| ([\d.,]+) \|$'
total = '^\| Total \| ([\d.,]+) \|$'

[[check]]
name = "no gossip"
absent = 'reportedly'

[[check]]
name = "korean"
when = '[가-힣]'
match = '다\.$'
)";

constexpr std::string_view kPrompt = "Write it.\n\nCity: Seoul";
constexpr std::string_view kGood =
    "1. Visit\n- city: Seoul\n2. Costs\n| Travel | 1,200.50 |\n| Food | 0.5 "
    "|\n| Total | 1201 |\n";

Verdict judge(std::string_view output, std::string_view prompt = kPrompt,
              bool stopped = true) {
  return Scorer::load(scorer_file(kReport)).judge(prompt, output, "", stopped);
}

std::string with(std::string_view from, std::string_view to) {
  std::string text(kGood);
  return text.replace(text.find(from), from.size(), to);
}

using Names = std::vector<std::string>;

TEST(Scorer, JudgesStructureFieldsAndSums) {
  EXPECT_TRUE(judge(kGood).complete());
  EXPECT_TRUE(judge(kGood).failed.empty());
  // Four checks are for this prompt, and that the output ends.
  EXPECT_EQ(judge(kGood, kPrompt, false).score, 4.0 / 5);
  EXPECT_EQ(judge(kGood, kPrompt, false).failed, Names{"end"});
  EXPECT_EQ(judge(with("Seoul", "Busan")).failed, Names{"city"});
  EXPECT_EQ(judge(with("Seoul", "Busan")).score, 4.0 / 5);
  EXPECT_EQ(judge(with("1201", "1202")).failed, Names{"sum"});
  EXPECT_EQ(judge(with("0.5", "half")).failed, Names{"sum"});
  EXPECT_EQ(judge(with("2. Costs", "3. Costs")).failed, Names{"sections"});
  EXPECT_EQ(judge(with("| Total | 1201 |\n", "2. Costs reportedly\n")).failed,
            (Names{"sum", "no gossip"}));
}

// A heading that comes twice, or in another order, is no structure.
TEST(Scorer, LinesStandOnceAndInOrder) {
  EXPECT_EQ(judge(std::string(kGood) + "1. Visit\n").failed, Names{"sections"});
  EXPECT_EQ(judge("2. Costs\n1. Visit\n- city: Seoul\n| A | 1 |\n| Total | 1 |")
                .failed,
            Names{"sections"});
}

// A field that stands twice in the material stands twice in the output.
TEST(Scorer, FieldsAreCopiedOneByOne) {
  const std::string prompt = "City: Seoul\nCity: Busan";
  EXPECT_EQ(judge(kGood, prompt).failed, Names{"city"});
  EXPECT_TRUE(judge(with("Seoul", "Seoul\n- city: Busan"), prompt).complete());
  EXPECT_EQ(judge(with("Seoul", "Busan\n- city: Seoul"), prompt).failed,
            Names{"city"});
}

TEST(Scorer, ChecksMayBeForSomePromptsOnly) {
  EXPECT_EQ(judge(kGood, "쓰세요. City: Seoul").failed,
            (Names{"korean"}));  // no field at a line's beginning
  const Scorer scorer = Scorer::load(scorer_file(kReport));
  EXPECT_EQ(error_of([&] { scorer.check_fits({std::string(kPrompt)}); }),
            scorer_file(kReport).string() +
                ": the check 'korean' is for none of the 1 prompts: its `when` "
                "or `input` matches none");
  EXPECT_EQ(error_of([&] {
              scorer.check_fits({"가", std::string(kPrompt)});
            }),
            "");
}

// Two of three words, two of four: F1 = 2·2 / (3 + 4).
TEST(Scorer, WithoutRulesWordsAreCompared) {
  const Scorer scorer;
  EXPECT_DOUBLE_EQ(scorer.judge("", "a b c", "b a d e", true).score, 4.0 / 7);
  EXPECT_TRUE(scorer.judge("", "a b", "a  b\n", true).complete());
  EXPECT_EQ(scorer.judge("", "a b", "a b", false).score, 0);
  EXPECT_EQ(scorer.judge("", "", "a b", true).score, 0);
}

TEST(Scorer, BadFilesEndInOneLine) {
  const auto error = [](std::string_view text) {
    const auto path = scorer_file(text);
    std::string message = error_of([&] { Scorer::load(path); });
    const size_t at = message.find(path.string());
    return at == 0 ? message.substr(path.string().size()) : message;
  };
  EXPECT_EQ(error(""), ": no [[check]]");
  EXPECT_NE(error("[[check]]\nname='a'\nmatch='(b'")
                .find(":3: [check] match: pattern \"(?m)(b\": missing closing"),
            std::string::npos)
      << error("[[check]]\nname='a'\nmatch='(b'");
  EXPECT_NE(error("[[check]]\nmatch='b'").find("name is missing"),
            std::string::npos);
  for (const char* text :
       {"[[check]]\nname='a'", "[[check]]\nname='a'\ninput='b'",
        "[[check]]\nname='a'\nmatch='b'\nabsent='c'",
        "[[check]]\nname='a'\nmatch='b'\ntotal='c'"})
    EXPECT_NE(error(text).find("needs one of"), std::string::npos) << text;
  EXPECT_NE(error("[[check]]\nname='a'\nmatches='b'").find("matches"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
