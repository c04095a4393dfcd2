#include "data/batches.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/rng.h"
#include "data/data_test.h"

namespace seodang {
namespace {

// Token ids that tell where they are from: no id occurs twice.
Documents distinct_documents(int count, int longest) {
  Documents documents(count);
  int32_t id = 0;
  Rng rng(5);
  for (auto& document : documents) {
    document.resize(2 + rng.below(longest - 1));
    for (int32_t& token : document) token = id++;
  }
  return documents;
}

// The token that follows each one in its document, or kIgnoreTarget.
std::map<int32_t, int32_t> followers(const Documents& documents) {
  std::map<int32_t, int32_t> next;
  for (const auto& document : documents)
    for (size_t i = 0; i < document.size(); ++i)
      next[document[i]] =
          i + 1 < document.size() ? document[i + 1] : kIgnoreTarget;
  return next;
}

void expect_spans_cover(const Batch& batch, int32_t max_length) {
  int32_t end = 0;
  for (const SequenceSpan& span : batch.spans) {
    EXPECT_EQ(span.begin, end);
    EXPECT_GT(span.length, 0);
    EXPECT_LE(span.length, max_length);
    end = span.begin + span.length;
  }
  EXPECT_EQ(end, static_cast<int32_t>(batch.tokens.size()));
  EXPECT_EQ(batch.targets.size(), batch.tokens.size());
  EXPECT_EQ(batch.loss_tokens,
            std::count_if(batch.targets.begin(), batch.targets.end(),
                          [](int32_t t) { return t != kIgnoreTarget; }));
}

void expect_equal(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.targets, b.targets);
  ASSERT_EQ(a.spans.size(), b.spans.size());
  for (size_t i = 0; i < a.spans.size(); ++i) {
    EXPECT_EQ(a.spans[i].begin, b.spans[i].begin);
    EXPECT_EQ(a.spans[i].length, b.spans[i].length);
  }
  EXPECT_EQ(a.loss_tokens, b.loss_tokens);
}

TEST(PretrainBatches, EveryTokenOfAnEpochOccursOnceWithItsNext) {
  constexpr int32_t kTokens = 64, kMaxLength = 20;
  const Documents documents = distinct_documents(83, 50);
  const auto next = followers(documents);
  const TokenShards shards = make_shards(scratch(), documents, 70000, 500);
  const auto source = pretrain_batches(shards, kTokens, kMaxLength, 3);
  const int64_t total = shards.num_tokens();
  EXPECT_EQ(source->batches_per_epoch(), (total + kTokens - 1) / kTokens);

  constexpr int kEpochs = 3;
  std::vector<int32_t> stream;
  Batch batch;
  for (uint64_t i = 0; stream.size() < size_t(total) * kEpochs; ++i) {
    source->batch(i, batch);
    ASSERT_EQ(batch.tokens.size(), size_t{kTokens});
    expect_spans_cover(batch, kMaxLength);
    for (int32_t t = 0; t < kTokens; ++t)
      EXPECT_EQ(batch.targets[t], next.at(batch.tokens[t]));
    for (const SequenceSpan& span : batch.spans)  // one document, in its order
      for (int32_t t = span.begin; t + 1 < span.begin + span.length; ++t)
        EXPECT_EQ(batch.tokens[t + 1], next.at(batch.tokens[t]));
    stream.insert(stream.end(), batch.tokens.begin(), batch.tokens.end());
  }
  std::vector<std::vector<int32_t>> orders;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    std::vector<int32_t> one(stream.begin() + epoch * total,
                             stream.begin() + (epoch + 1) * total);
    orders.push_back(one);
    std::sort(one.begin(), one.end());
    for (int64_t i = 0; i < total; ++i) ASSERT_EQ(one[i], i);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
}

TEST(PretrainBatches, AreAFunctionOfSeedAndIndex) {
  const TokenShards shards =
      make_shards(scratch(), distinct_documents(40, 30), 2000);
  const auto one = pretrain_batches(shards, 32, 16, 9);
  const auto other_seed = pretrain_batches(shards, 32, 16, 10);
  Batch a, b;
  for (const uint64_t index : {57, 0, 3, 200, 1}) {
    one->batch(index, a);
    pretrain_batches(shards, 32, 16, 9)->batch(index, b);
    expect_equal(a, b);
    other_seed->batch(index, b);
    EXPECT_NE(a.tokens, b.tokens);
  }
}

TEST(PretrainBatches, KeepTheirMemory) {
  const TokenShards shards =
      make_shards(scratch(), distinct_documents(40, 30), 2000);
  const auto source = pretrain_batches(shards, 64, 16, 1);
  Batch batch;
  source->batch(0, batch);
  const auto *tokens = batch.tokens.data(), *targets = batch.targets.data();
  const auto* spans = batch.spans.data();
  for (uint64_t i = 1; i < 100; ++i) source->batch(i, batch);
  EXPECT_EQ(batch.tokens.data(), tokens);
  EXPECT_EQ(batch.targets.data(), targets);
  EXPECT_EQ(batch.spans.data(), spans);
}

TEST(PretrainBatches, ACorpusOfOneTokenFillsABatch) {
  // <bos> token <eos>, over and over.
  const TokenShards shards = make_shards(scratch(), {{1, 7, 2}}, 8);
  Batch batch;
  pretrain_batches(shards, 8, 4, 1)->batch(1, batch);
  EXPECT_EQ(batch.tokens, (std::vector<int32_t>{2, 1, 7, 2, 1, 7, 2, 1}));
  constexpr int32_t kNone = kIgnoreTarget;
  EXPECT_EQ(batch.targets,
            (std::vector<int32_t>{kNone, 7, 2, kNone, 7, 2, kNone, 7}));
  EXPECT_EQ(batch.spans.size(), 4u);
}

TEST(PretrainBatches, NoDocumentsIsAnError) {
  const TokenShards shards = make_shards(scratch(), {}, 8);
  EXPECT_NE(error_of([&] { pretrain_batches(shards, 8, 4, 1); }), "");
}

TEST(ValidationBatches, LayTheDocumentsInOrder) {
  const Documents documents = distinct_documents(20, 30);
  const auto next = followers(documents);
  const TokenShards shards = make_shards(scratch(), documents, 2000);
  const auto batches = validation_batches(shards, 50, 16, 0);
  int32_t expected = 0;
  for (const Batch& batch : batches) {
    expect_spans_cover(batch, 16);
    EXPECT_EQ(batch.tokens.size(), 50u);
    for (size_t i = 0; i < 50 && expected < shards.num_tokens(); ++i) {
      EXPECT_EQ(batch.tokens[i], expected);
      EXPECT_EQ(batch.targets[i], next.at(expected));
      ++expected;
    }
  }
  EXPECT_EQ(expected, shards.num_tokens());
  EXPECT_EQ(validation_batches(shards, 50, 16, 2).size(), 2u);
}

// Conversation i: its id many times, the last `outputs` tokens are output.
ConversationSet conversations(int count, int longest) {
  ConversationSet set;
  Rng rng(8);
  for (int i = 0; i < count; ++i) {
    const auto length = static_cast<int32_t>(2 + rng.below(longest - 1));
    const auto outputs = static_cast<int32_t>(1 + rng.below(length - 1));
    for (int32_t t = 0; t < length; ++t) {
      set.tokens.push_back(1000 * (i + 1) + t);
      set.is_output.push_back(t >= length - outputs);
    }
    set.offsets.push_back(static_cast<int64_t>(set.tokens.size()));
  }
  return set;
}

// The conversations of a batch by id; checks that each is whole and its targets
// are right.
std::multiset<int64_t> whole_conversations(const ConversationSet& set,
                                           const Batch& batch) {
  std::multiset<int64_t> ids;
  for (const SequenceSpan& span : batch.spans) {
    const int64_t id = batch.tokens[span.begin] / 1000 - 1;
    if (id < 0 || id >= set.size()) continue;  // padding or replay
    ids.insert(id);
    const int64_t begin = set.offsets[id];
    EXPECT_EQ(span.length, set.offsets[id + 1] - begin);
    for (int32_t t = 0; t < span.length; ++t) {
      EXPECT_EQ(batch.tokens[span.begin + t], set.tokens[begin + t]);
      const bool learn = t + 1 < span.length && set.is_output[begin + t + 1];
      EXPECT_EQ(batch.targets[span.begin + t],
                learn ? set.tokens[begin + t + 1] : kIgnoreTarget);
    }
  }
  return ids;
}

TEST(InstructBatches, EveryConversationOccursOnceAnEpoch) {
  const ConversationSet set = conversations(300, 40);
  const auto source = instruct_batches(set, 128, 40, 4);
  const uint64_t per_epoch = source->batches_per_epoch();
  // First fit leaves little room (Garey and Johnson: at most 1.7 x optimum).
  EXPECT_LE(per_epoch * 128, set.tokens.size() * 11 / 10);
  std::vector<std::vector<int32_t>> first_batches;
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::multiset<int64_t> seen;
    Batch batch;
    for (uint64_t i = 0; i < per_epoch; ++i) {
      source->batch(epoch * per_epoch + i, batch);
      if (i == 0) first_batches.push_back(batch.tokens);
      EXPECT_EQ(batch.tokens.size(), 128u);
      expect_spans_cover(batch, 40);
      seen.merge(whole_conversations(set, batch));
    }
    EXPECT_EQ(seen.size(), 300u);
    EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), 300u);
  }
  EXPECT_NE(first_batches[0], first_batches[1]);
}

TEST(InstructBatches, MixInTheShareOfReplay) {
  const ConversationSet set = conversations(50, 30);
  const Documents documents = distinct_documents(30, 20);  // ids below 1000
  const auto next = followers(documents);
  const TokenShards shards = make_shards(scratch(), documents, 1000);
  const auto source =
      instruct_batches(set, 100, 30, 4, {.texts = shards, .texts_share = 0.25});
  std::multiset<int64_t> seen;
  Batch batch;
  for (uint64_t i = 0; i < source->batches_per_epoch(); ++i) {
    source->batch(i, batch);
    expect_spans_cover(batch, 30);
    for (int32_t t = 0; t < 25; ++t)
      EXPECT_EQ(batch.targets[t], next.at(batch.tokens[t]));
    for (size_t t = 25; t < 100; ++t)
      EXPECT_TRUE(batch.tokens[t] >= 1000 || batch.tokens[t] == 0);
    seen.merge(whole_conversations(set, batch));
  }
  EXPECT_EQ(seen.size(), 50u);
}

// Texts first, then other conversations, then those to be learned; all that is
// replayed may be distilled.
TEST(InstructBatches, ReplayConversationsToo) {
  const ConversationSet set = conversations(50, 30);
  ConversationSet others = conversations(20, 15);
  for (int32_t& token : others.tokens) token += 100'000;
  const TokenShards shards =
      make_shards(scratch(), distinct_documents(30, 20), 1000);
  const auto source = instruct_batches(set, 100, 30, 4,
                                       {.texts = shards,
                                        .texts_share = 0.25,
                                        .conversations = others,
                                        .conversations_share = 0.2,
                                        .distilled = true});
  std::multiset<int64_t> seen;
  Batch batch;
  for (uint64_t i = 0; i < source->batches_per_epoch(); ++i) {
    source->batch(i, batch);
    expect_spans_cover(batch, 30);
    EXPECT_EQ(batch.distilled, 45);
    EXPECT_EQ(batch.distilled_loss_tokens,
              std::count_if(batch.targets.begin(), batch.targets.begin() + 45,
                            [](int32_t target) { return target >= 0; }));
    for (int32_t t = 0; t < 100; ++t) {
      const int32_t token = batch.tokens[t];
      if (token == 0) continue;  // padding
      EXPECT_EQ(token < 1000, t < 25);
      EXPECT_EQ(token >= 100'000, t >= 25 && t < 45);
    }
    seen.merge(whole_conversations(set, batch));
  }
  EXPECT_EQ(seen.size(), 50u);
}

// Of the replayed words about the share is replaced, by words; other tokens,
// targets and what is to be learned stay.
TEST(InstructBatches, ReplayedWordsMayBeReplaced) {
  const ConversationSet set = conversations(200, 30);
  ConversationSet others = conversations(100, 15);
  const auto is_word = [](int32_t id) { return id % 1000 >= 3; };
  const auto batches = [&](double noise) {
    std::vector<int32_t> words;
    for (int32_t id = 1000; id < 101'000; ++id)
      if (is_word(id)) words.push_back(id);
    return instruct_batches(set, 200, 30, 4,
                            {.conversations = others,
                             .conversations_share = 0.5,
                             .distilled = true,
                             .noise = noise,
                             .words = words});
  };
  const auto clean = batches(0), noisy = batches(0.25), again = batches(0.25);
  int64_t words = 0, replaced = 0;
  Batch a, b, c;
  for (uint64_t i = 0; i < clean->batches_per_epoch(); ++i) {
    clean->batch(i, a);
    noisy->batch(i, b);
    again->batch(i, c);
    expect_equal(b, c);
    EXPECT_EQ(a.targets, b.targets);
    for (size_t t = 0; t < a.tokens.size(); ++t) {
      if (t >= 100 || !is_word(a.tokens[t])) {
        EXPECT_EQ(a.tokens[t], b.tokens[t]);
      } else {
        EXPECT_TRUE(is_word(b.tokens[t]));
        ++words;
        replaced += a.tokens[t] != b.tokens[t];
      }
    }
  }
  ASSERT_GT(words, 500);
  EXPECT_NEAR(static_cast<double>(replaced) / static_cast<double>(words), 0.25,
              0.06);
}

// What is distilled counts at every token that has a next one, learned examples
// at their outputs.
TEST(InstructBatches, DistilledConversationsCountAtEveryToken) {
  const auto source = instruct_batches(conversations(100, 30), 100, 30, 4,
                                       {.conversations = conversations(40, 15),
                                        .conversations_share = 0.4,
                                        .distilled = true});
  Batch batch;
  source->batch(3, batch);
  ASSERT_GT(batch.distilled, 20);
  int64_t counted = 0, ignored = 0;
  for (const SequenceSpan& span : batch.spans)
    for (int32_t i = span.begin; i + 1 < span.begin + span.length; ++i) {
      const bool has_target = batch.targets[i] != kIgnoreTarget;
      if (span.begin < batch.distilled && batch.tokens[i] != 0) {
        EXPECT_EQ(batch.targets[i], batch.tokens[i + 1]);
        ++counted;
      } else {
        ignored += !has_target;
      }
    }
  EXPECT_EQ(batch.distilled_loss_tokens, counted);
  EXPECT_GT(ignored, 0);
}

TEST(InstructBatches, AreAFunctionOfSeedAndIndex) {
  const ConversationSet set = conversations(100, 30);
  const TokenShards shards =
      make_shards(scratch(), distinct_documents(30, 20), 1000);
  const auto one =
      instruct_batches(set, 100, 30, 4, {.texts = shards, .texts_share = 0.25});
  Batch a, b;
  for (const uint64_t index : {91, 2, 33, 0}) {
    one->batch(index, a);
    instruct_batches(set, 100, 30, 4, {.texts = shards, .texts_share = 0.25})
        ->batch(index, b);
    expect_equal(a, b);
  }
}

// Pairs stay whole: both spans in one batch, behind the replay, and each pair
// once an epoch.
TEST(InstructBatches, KeepPairsTogether) {
  ConversationSet pairs = conversations(60, 30);
  for (int64_t i = 0; i < pairs.size(); ++i)
    pairs.rejected.push_back((pairs.offsets[i] + pairs.offsets[i + 1]) / 2);
  const auto source = instruct_batches(
      pairs, 100, 30, 4,
      {.conversations = conversations(40, 15), .conversations_share = 0.3});
  std::map<int64_t, int> seen;
  Batch batch;
  for (uint64_t b = 0; b < source->batches_per_epoch(); ++b) {
    source->batch(b, batch);
    for (const PreferencePair& pair : batch.pairs) {
      ++seen[pair.index];
      const SequenceSpan& chosen = batch.spans[pair.chosen];
      const SequenceSpan& rejected = batch.spans[pair.chosen + 1];
      EXPECT_GE(chosen.begin, 30);
      EXPECT_EQ(chosen.length,
                pairs.rejected[pair.index] - pairs.offsets[pair.index]);
      EXPECT_EQ(chosen.length + rejected.length,
                pairs.offsets[pair.index + 1] - pairs.offsets[pair.index]);
      for (int32_t i = 0; i < chosen.length + rejected.length; ++i)
        EXPECT_EQ(batch.tokens[chosen.begin + i],
                  pairs.tokens[pairs.offsets[pair.index] + i]);
      // The first token of the rejected one is no target of the chosen one's.
      EXPECT_EQ(batch.targets[rejected.begin - 1], kIgnoreTarget);
    }
  }
  EXPECT_EQ(seen.size(), 60u);
  for (const auto& [index, times] : seen) EXPECT_EQ(times, 1);
}

TEST(InstructBatches, RefuseWhatDoesNotFit) {
  EXPECT_NE(error_of([] { instruct_batches(conversations(9, 30), 64, 8, 1); }),
            "");
  EXPECT_NE(error_of([] { instruct_batches(ConversationSet{}, 64, 8, 1); }),
            "");
}

TEST(ValidationBatches, HoldEveryConversationOnce) {
  const ConversationSet set = conversations(60, 30);
  std::multiset<int64_t> seen;
  for (const Batch& batch : validation_batches(set, 64, 30, 0)) {
    expect_spans_cover(batch, 30);
    seen.merge(whole_conversations(set, batch));
  }
  EXPECT_EQ(seen.size(), 60u);
  EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), 60u);
}

}  // namespace
}  // namespace seodang
