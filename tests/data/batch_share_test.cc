#include "data/batch_share.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace seodang {
namespace {

// Sequences of 1 to `longest` tokens, some of them pairs, behind distilled
// ones.
Batch random_batch(Rng& rng, int32_t longest) {
  Batch batch;
  const auto spans = static_cast<int64_t>(1 + rng.below(12));
  for (int64_t i = 0; i < spans; ++i) {
    const auto length = static_cast<int32_t>(1 + rng.below(longest));
    batch.spans.push_back({static_cast<int32_t>(batch.tokens.size()), length});
    for (int32_t t = 0; t < length; ++t) {
      batch.tokens.push_back(static_cast<int32_t>(rng.below(100)));
      batch.targets.push_back(rng.below(2) == 0 ? kIgnoreTarget : 7);
    }
    if (i == spans / 3) {
      batch.distilled = static_cast<int32_t>(batch.tokens.size());
      batch.distilled_loss_tokens = std::ranges::count(batch.targets, 7);
    }
  }
  for (int32_t i = static_cast<int32_t>(spans / 3) + 1; i + 1 < spans;
       i += 2 + static_cast<int32_t>(rng.below(2)))
    batch.pairs.push_back({i, 10 + i});
  batch.loss_tokens = std::ranges::count(batch.targets, 7);
  batch.seed = 5;
  return batch;
}

TEST(BatchShare, SharesAreTheBatch) {
  Rng rng(3);
  for (int round = 0; round < 500; ++round) {
    constexpr int32_t kLongest = 9;
    const Batch batch = random_batch(rng, kLongest);
    const int count = 1 + static_cast<int>(rng.below(6));
    Batch all, share;
    int64_t loss_tokens = 0, distilled = 0, distilled_loss = 0;
    for (int i = 0; i < count; ++i) {
      take_share(batch, i, count, share);
      EXPECT_EQ(share.seed, batch.seed);
      EXPECT_EQ(share.first_token, static_cast<int64_t>(all.tokens.size()));
      EXPECT_LE(static_cast<int64_t>(share.tokens.size()),
                batch_share_room(static_cast<int64_t>(batch.tokens.size()),
                                 2 * kLongest, count));
      const auto tokens = static_cast<int32_t>(all.tokens.size());
      const auto spans = static_cast<int32_t>(all.spans.size());
      for (const SequenceSpan& span : share.spans)
        all.spans.push_back({tokens + span.begin, span.length});
      for (const PreferencePair& pair : share.pairs) {
        ASSERT_LT(static_cast<size_t>(pair.chosen) + 1, share.spans.size());
        all.pairs.push_back({spans + pair.chosen, pair.index});
      }
      all.tokens.insert(all.tokens.end(), share.tokens.begin(),
                        share.tokens.end());
      all.targets.insert(all.targets.end(), share.targets.begin(),
                         share.targets.end());
      loss_tokens += share.loss_tokens;
      distilled += share.distilled;
      distilled_loss += share.distilled_loss_tokens;
    }
    EXPECT_EQ(all.tokens, batch.tokens);
    EXPECT_EQ(all.targets, batch.targets);
    EXPECT_EQ(loss_tokens, batch.loss_tokens);
    EXPECT_EQ(distilled, batch.distilled);
    EXPECT_EQ(distilled_loss, batch.distilled_loss_tokens);
    ASSERT_EQ(all.spans.size(), batch.spans.size());
    for (size_t i = 0; i < all.spans.size(); ++i) {
      EXPECT_EQ(all.spans[i].begin, batch.spans[i].begin);
      EXPECT_EQ(all.spans[i].length, batch.spans[i].length);
    }
    ASSERT_EQ(all.pairs.size(), batch.pairs.size());
    for (size_t i = 0; i < all.pairs.size(); ++i) {
      EXPECT_EQ(all.pairs[i].chosen, batch.pairs[i].chosen);
      EXPECT_EQ(all.pairs[i].index, batch.pairs[i].index);
    }
  }
}

// Of sequences of one length each share gets as many.
TEST(BatchShare, SharesAreEven) {
  Batch batch;
  for (int32_t i = 0; i < 8; ++i) batch.spans.push_back({16 * i, 16});
  batch.tokens.resize(128);
  batch.targets.resize(128);
  Batch share;
  for (const int count : {1, 2, 4, 8})
    for (int i = 0; i < count; ++i) {
      take_share(batch, i, count, share);
      EXPECT_EQ(share.tokens.size(), 128u / count);
    }
}

}  // namespace
}  // namespace seodang
