#include "tokenizer/train_bpe.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "base/threads.h"
#include "formats/json.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/fixtures.h"

namespace seodang {
namespace {

using Strings = std::vector<std::string>;

Strings merges_of(const Tokenizer& tokenizer) {
  const auto dir = scratch();
  tokenizer.save(dir);
  return read_json(dir / "tokenizer.json")["model"]["merges"].get<Strings>();
}

// Counts every pair anew for every merge. Words are cut before a space, as the
// pattern of the test does.
Strings learn_obviously(const std::string& text, size_t merge_count) {
  std::map<std::string, int> ids;
  for (uint8_t byte : bytes_by_spelling())
    ids.emplace(std::string(1, static_cast<char>(byte)), ids.size());
  std::vector<Strings> words;
  for (char c : text) {
    if (words.empty() || c == ' ') words.emplace_back();
    words.back().emplace_back(1, c);
  }
  Strings merges;
  while (merges.size() < merge_count) {
    std::map<std::pair<int, int>, int> counts;
    std::map<std::pair<int, int>, std::pair<std::string, std::string>> names;
    for (const Strings& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        const std::pair pair{ids[word[i]], ids[word[i + 1]]};
        ++counts[pair];
        names[pair] = {word[i], word[i + 1]};
      }
    std::pair<int, int> best;
    int most = 1;
    for (const auto& [pair, count] : counts)
      if (count > most) {
        most = count;
        best = pair;
      }
    if (most < 2) break;
    const auto [left, right] = names[best];
    ids.emplace(left + right, ids.size());
    merges.push_back(spell_bytes(left) + " " + spell_bytes(right));
    for (Strings& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == left && word[i + 1] == right) {
          word[i] += right;
          word.erase(word.begin() + i + 1);
        }
  }
  return merges;
}

TEST(TrainBpe, MergesAsTheObviousWayDoes) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Rng rng(seed);
    std::string text;
    for (int i = 0; i < 1500; ++i) {
      const uint64_t at = rng.below(7 + seed % 2);
      text += at < 7 ? std::string(1, "aabcde "[at]) : "한";
    }
    const Tokenizer tokenizer = train_on(text, {.vocab_size = 256 + 60,
                                                .split = " [^ ]*|[^ ]+",
                                                .special_tokens = {}});
    const Strings merges = merges_of(tokenizer);
    ASSERT_GE(merges.size(), 40u);
    const Strings expected = learn_obviously(text, merges.size());
    for (size_t i = 0; i < merges.size(); ++i)
      ASSERT_EQ(merges[i], expected.at(i)) << "seed " << seed << " merge " << i;
  }
}

TEST(TrainBpe, AnyNumberOfThreadsGivesTheSameMerges) {
  auto train = [](int threads) {
    set_num_threads(threads);
    int left = 40;
    return merges_of(train_bpe(
        [&](std::string& text) {
          text = sample_text().substr(left, 700 + 10 * left);
          return --left > 0;
        },
        {.vocab_size = 700}));
  };
  const Strings one = train(1), three = train(3);
  set_num_threads(0);
  EXPECT_EQ(one, three);
}

TEST(TrainBpe, StopsWhenNoPairIsFrequentEnough) {
  const Tokenizer tokenizer = train_on("abc", {.vocab_size = 1000});
  EXPECT_EQ(tokenizer.vocab_size(), 256 + 6);
  EXPECT_EQ(
      train_on("abc", {.vocab_size = 1000, .min_frequency = 1}).vocab_size(),
      256 + 6 + 2);
}

TEST(TrainBpe, TheSmallestVocabularyIsTheBytes) {
  const Tokenizer tokenizer = train_on("한국어 abab", {.vocab_size = 262});
  EXPECT_EQ(tokenizer.encode("한").size(), 3u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("한국어")), "한국어");
}

TEST(TrainBpe, AKoreanNameIsTheSameTokensWhereverItStands) {
  std::string text;
  for (int i = 0; i < 20; ++i)
    text += "대한민국의 수도는 서울이다. 나는 대한민국에 산다.\n";
  const Tokenizer tokenizer =
      train_on(text, {.vocab_size = 350, .split = "llama3-korean"});
  const std::vector<int32_t> name = tokenizer.encode("대한민국");
  EXPECT_EQ(name.size(), 1u);
  for (const char* sentence :
       {"대한민국", "대한민국의 수도", "나는 대한민국에 산다.",
        "\"대한민국\"은", "수도: 대한민국", "(대한민국)", "대한민국이다.",
        "여기는 대한민국이에요."}) {
    const std::vector<int32_t> ids = tokenizer.encode(sentence);
    EXPECT_EQ(std::ranges::count(ids, name[0]), 1) << sentence;
    EXPECT_EQ(tokenizer.decode(ids), sentence);
  }
}

TEST(TrainBpe, ALatinNameIsTheSameTokensBeforeAnyParticle) {
  std::string text;
  for (int i = 0; i < 20; ++i)
    text += "철은 Fe로 적는다. 기호는 Fe이다. Fe: 철. 이것은 Fe.\n";
  const Tokenizer tokenizer =
      train_on(text, {.vocab_size = 320, .split = "llama3-korean"});
  const std::vector<int32_t> name = tokenizer.encode(" Fe");
  EXPECT_EQ(name.size(), 1u);
  for (const char* sentence : {"기호는 Fe입니다.", "철은 Fe로 적는다.",
                               "이것은 Fe이다.", "철은 Fe."}) {
    const std::vector<int32_t> ids = tokenizer.encode(sentence);
    EXPECT_EQ(std::ranges::count(ids, name[0]), 1) << sentence;
    EXPECT_EQ(tokenizer.decode(ids), sentence);
  }
}

TEST(TrainBpe, RefusesWhatCannotBe) {
  EXPECT_THROW(train_on("a", {.vocab_size = 261}), UsageError);
  EXPECT_EQ(message_of([] { train_on("a", {.vocab_size = 100}); }),
            "vocabulary of 100 is too small: 256 bytes and 6 special tokens "
            "need 262");
  EXPECT_THROW(
      train_on("a", {.vocab_size = 300, .special_tokens = {"<a>", "<a>"}}),
      UsageError);
  EXPECT_NE(
      message_of([] { train_on("", {.vocab_size = 300}); }).find("no text"),
      std::string::npos);
  EXPECT_NE(message_of([] {
              train_on("a", {.vocab_size = 300, .split = "(a"});
            }).find("pattern \""),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
