#include "generate/prompt_lookup.h"

#include <gtest/gtest.h>

#include <vector>

namespace seodang {
namespace {

using Tokens = std::vector<int32_t>;

Tokens draft_of(PromptLookup& lookup, const Tokens& tokens) {
  const auto draft = lookup.draft(tokens);
  return {draft.begin(), draft.end()};
}

TEST(PromptLookup, DraftsWhatFollowedTheLastTime) {
  PromptLookup lookup(15);
  Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2};
  EXPECT_EQ(draft_of(lookup, tokens), Tokens());
  tokens.push_back(3);
  EXPECT_EQ(draft_of(lookup, tokens), Tokens({4, 5, 6, 7}));
  // Where it stood twice, the later place counts.
  tokens.insert(tokens.end(), {20, 21, 0, 1, 2, 3});
  EXPECT_EQ(draft_of(lookup, tokens), Tokens({20, 21, 0, 1}));
  // Nothing is drafted past the end.
  Tokens repeated = {7, 7, 7, 7};
  PromptLookup again(15);
  EXPECT_EQ(draft_of(again, repeated), Tokens({7}));
}

TEST(PromptLookup, DraftsMoreWhereItIsAccepted) {
  Tokens tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back(i);
  for (int32_t i = 0; i < 3; ++i) tokens.push_back(i);
  PromptLookup lookup(15);
  std::vector<size_t> lengths;
  for (int step = 0; step < 4; ++step) {
    const Tokens draft = draft_of(lookup, tokens);
    lengths.push_back(draft.size());
    lookup.accept(static_cast<int64_t>(draft.size()));
    tokens.push_back(tokens.back() + 1);
  }
  EXPECT_EQ(lengths, (std::vector<size_t>{4, 8, 15, 15}));
  lookup.draft(tokens);
  lookup.accept(2);
  EXPECT_EQ(draft_of(lookup, tokens).size(), 3u);
}

// Wrong drafts cost little: there are fewer and fewer.
TEST(PromptLookup, StopsDraftingWhereItIsWrong) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6, 1, 2, 3};
  PromptLookup lookup(15);
  int drafts = 0;
  for (int step = 0; step < 300; ++step) {
    drafts += !draft_of(lookup, tokens).empty();
    lookup.accept(0);
  }
  EXPECT_GE(drafts, 5);
  EXPECT_LE(drafts, 12);
}

TEST(PromptLookup, NoneWhereNoneAreAskedFor) {
  PromptLookup lookup(0);
  EXPECT_EQ(draft_of(lookup, {1, 2, 3, 1, 2, 3, 1, 2, 3}), Tokens());
  PromptLookup short_text(15);
  EXPECT_EQ(draft_of(short_text, {1, 1}), Tokens());
  EXPECT_EQ(draft_of(short_text, {}), Tokens());
}

}  // namespace
}  // namespace seodang
