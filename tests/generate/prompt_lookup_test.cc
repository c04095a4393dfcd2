#include "generate/prompt_lookup.h"

#include <gtest/gtest.h>

#include <vector>

namespace seodang {
namespace {

using Tokens = std::vector<int32_t>;

Tokens guess_of(PromptLookup& lookup, const Tokens& tokens) {
  const auto guess = lookup.guess(tokens);
  return {guess.begin(), guess.end()};
}

TEST(PromptLookup, GuessesWhatFollowedTheLastTime) {
  PromptLookup lookup(15);
  Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2};
  EXPECT_EQ(guess_of(lookup, tokens), Tokens());
  tokens.push_back(3);
  EXPECT_EQ(guess_of(lookup, tokens), Tokens({4, 5, 6, 7}));
  // Where it stood twice, the later place counts.
  tokens.insert(tokens.end(), {20, 21, 0, 1, 2, 3});
  EXPECT_EQ(guess_of(lookup, tokens), Tokens({20, 21, 0, 1}));
  // Nothing is guessed past the end.
  Tokens repeated = {7, 7, 7, 7};
  PromptLookup again(15);
  EXPECT_EQ(guess_of(again, repeated), Tokens({7}));
}

TEST(PromptLookup, GuessesMoreWhereItIsRight) {
  Tokens tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back(i);
  for (int32_t i = 0; i < 3; ++i) tokens.push_back(i);
  PromptLookup lookup(15);
  std::vector<size_t> lengths;
  for (int step = 0; step < 4; ++step) {
    const Tokens guess = guess_of(lookup, tokens);
    lengths.push_back(guess.size());
    lookup.was_right(static_cast<int64_t>(guess.size()));
    tokens.push_back(tokens.back() + 1);
  }
  EXPECT_EQ(lengths, (std::vector<size_t>{4, 8, 15, 15}));
  lookup.guess(tokens);
  lookup.was_right(2);
  EXPECT_EQ(guess_of(lookup, tokens).size(), 3u);
}

// Wrong guesses cost little: there are fewer and fewer.
TEST(PromptLookup, StopsGuessingWhereItIsWrong) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6, 1, 2, 3};
  PromptLookup lookup(15);
  int guesses = 0;
  for (int step = 0; step < 300; ++step) {
    guesses += !guess_of(lookup, tokens).empty();
    lookup.was_right(0);
  }
  EXPECT_GE(guesses, 5);
  EXPECT_LE(guesses, 12);
}

TEST(PromptLookup, NoneWhereNoneAreAskedFor) {
  PromptLookup lookup(0);
  EXPECT_EQ(guess_of(lookup, {1, 2, 3, 1, 2, 3, 1, 2, 3}), Tokens());
  PromptLookup short_text(15);
  EXPECT_EQ(guess_of(short_text, {1, 1}), Tokens());
  EXPECT_EQ(guess_of(short_text, {}), Tokens());
}

}  // namespace
}  // namespace seodang
