#include "data/duplicates.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "base/hash.h"
#include "base/rng.h"

namespace seodang {
namespace {

std::vector<std::string> random_words(Rng& rng, int count) {
  std::vector<std::string> words(count);
  for (auto& word : words) word = fmt::format("w{}", rng.below(100000));
  return words;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += word + " ";
  return out;
}

// The definition, on sets of strings.
double exact_jaccard(const std::vector<std::string>& a,
                     const std::vector<std::string>& b) {
  const auto set_of = [](const std::vector<std::string>& words) {
    std::set<std::vector<std::string>> out;
    for (size_t i = 0; i + kShingleWords <= words.size(); ++i)
      out.insert({words.begin() + i, words.begin() + i + kShingleWords});
    return out;
  };
  const auto x = set_of(a), y = set_of(b);
  size_t both = 0;
  for (const auto& shingle : x) both += y.count(shingle);
  return static_cast<double>(both) / (x.size() + y.size() - both);
}

TEST(HashText, TellsTextsApart) {
  std::set<Hash128> seen;
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(seen.insert(hash_bytes(text)).second);
    text += '\0';  // also by length alone
  }
  std::string flipped(64, 'a');
  for (int bit = 0; bit < 512; ++bit) {
    flipped[bit / 8] ^= 1 << bit % 8;
    EXPECT_TRUE(seen.insert(hash_bytes(flipped)).second);
    flipped[bit / 8] ^= 1 << bit % 8;
  }
}

TEST(Shingles, AreOfWordsWithoutCaseAndPunctuation) {
  EXPECT_EQ(shingles("The quick, brown fox - jumps!"),
            shingles("the QUICK brown fox jumps"));
  EXPECT_EQ(shingles("대한민국의 수도는 서울입니다."),
            shingles("대한민국의  수도는 \"서울입니다\""));
  EXPECT_NE(shingles("대한민국의 수도는 서울입니다."),
            shingles("일본의 수도는 도쿄입니다."));
  EXPECT_EQ(shingles("a b c d e f g").size(), 3u);
  EXPECT_EQ(shingles("東京は日本の首都").size(), 8u - 4u);
  EXPECT_EQ(shingles("short").size(), 1u);
  EXPECT_NE(shingles("--"), shingles("++"));
}

TEST(MinHash, EstimatesTheJaccardSimilarity) {
  Rng rng(11);
  double squared = 0, variance = 0, bias = 0;
  constexpr int kPairs = 300;
  for (int pair = 0; pair < kPairs; ++pair) {
    const auto a = random_words(rng, 100);
    auto b = a;
    for (uint64_t change = rng.below(12); change > 0; --change)
      b[rng.below(b.size())] = "changed" + std::to_string(change);
    const double exact = exact_jaccard(a, b);
    const double error =
        estimated_jaccard(min_hash(join(a)), min_hash(join(b))) - exact;
    bias += error / kPairs;
    squared += error * error;
    variance += exact * (1 - exact) / kMinHashes;
  }
  // As exact as binomial sampling is; a fifth of leeway for the sampling here.
  EXPECT_NEAR(squared / variance, 1, 0.2);
  EXPECT_NEAR(bias, 0, 3 * std::sqrt(variance) / kPairs);
}

TEST(NearDuplicates, FindsPairsAboveTheThreshold) {
  constexpr double kThreshold = 0.8;
  Rng rng(12);
  NearDuplicates index(kThreshold);
  int above = 0, found = 0, below = 0, wrong = 0;
  for (int64_t id = 0; id < 400; ++id) {
    const auto a = random_words(rng, 200);
    auto b = a;
    for (uint64_t change = rng.below(30); change > 0; --change)
      b[rng.below(b.size())] = "changed" + std::to_string(change);
    ASSERT_EQ(index.find_or_add(min_hash(join(a)), 2 * id), -1);
    const int64_t earlier = index.find_or_add(min_hash(join(b)), 2 * id + 1);
    ASSERT_TRUE(earlier == -1 || earlier == 2 * id);
    const double exact = exact_jaccard(a, b);
    // The estimate's own error (0.035 at 0.8) is not the index's fault.
    if (exact > kThreshold + 0.09) ++above, found += earlier >= 0;
    if (exact < kThreshold - 0.11) ++below, wrong += earlier >= 0;
  }
  EXPECT_GT(above, 30);
  EXPECT_GT(below, 30);
  EXPECT_GE(found, above * 98 / 100);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace seodang
