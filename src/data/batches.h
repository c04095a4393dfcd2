// Where a training run's batches come from. Every source is a pure function of
// (seed, index): a run that resumes at step n asks for the same batches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/batch.h"
#include "data/encoded_conversations.h"
#include "data/shards.h"

namespace seodang {

// A source keeps the order of the current epoch between calls, so one object
// serves one thread.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // Fills `out`, reusing its memory: nothing is allocated after the first
  // batches of an epoch. Any index is valid.
  virtual void batch(uint64_t index, Batch& out) const = 0;
  // Batches in one pass over the data, the last one begun counted.
  virtual uint64_t batches_per_epoch() const = 0;
};

// Batches of exactly `tokens_per_batch` tokens. The documents, in an order
// shuffled by (seed, epoch), lie one behind another, epoch after epoch; batch i
// is the i-th window of that stream. So every token of an epoch occurs once. A
// document is cut where a batch ends and after each `max_length` tokens; what
// follows is a span of its own. A cut loses no target: the last token of a
// piece still predicts the first of the next. Throws Error without documents.
std::unique_ptr<BatchSource> pretrain_batches(TokenShards shards,
                                              int32_t tokens_per_batch,
                                              int32_t max_length,
                                              uint64_t seed);

// What else is in each batch, so that less is forgotten: as shares of its
// tokens, pretraining text (as from pretrain_batches, with full loss) and other
// conversations (with loss on outputs).
struct Replay {
  std::optional<TokenShards> texts = std::nullopt;
  double texts_share = 0;
  ConversationSet conversations = {};
  double conversations_share = 0;
  // Batch::distilled; then every token of the conversations counts, since how
  // a question is read is to stay as well as what is answered.
  bool distilled = false;
  // Of the replayed tokens that are among `words`, this share is replaced by
  // others of them, drawn at random.
  double noise = 0;
  std::vector<int32_t> words = {};
};

// The tokens that Replay::conversations has room for in each batch.
int32_t replay_room(double share, int32_t tokens_per_batch);

// Batches of exactly `tokens_per_batch` tokens: first the replay, then whole
// conversations with loss on outputs alone, then padding (spans of token 0
// without targets). A conversation occurs once an epoch, a pair in one batch
// (Batch::pairs). Conversations are
// packed once, first fit in shuffled order; each epoch shuffles the batches,
// and swaps conversations of equal length. Throws Error without conversations,
// UsageError when one is longer than `max_length` or does not fit beside the
// replay.
std::unique_ptr<BatchSource> instruct_batches(ConversationSet conversations,
                                              int32_t tokens_per_batch,
                                              int32_t max_length, uint64_t seed,
                                              Replay replay = {});

// Validation text in a fixed order, at most `max_batches` of them (0: all). All
// have `tokens_per_batch` tokens; the rest of the last one is padding.
std::vector<Batch> validation_batches(const TokenShards& shards,
                                      int32_t tokens_per_batch,
                                      int32_t max_length, int64_t max_batches);
std::vector<Batch> validation_batches(const ConversationSet& conversations,
                                      int32_t tokens_per_batch,
                                      int32_t max_length, int64_t max_batches);

}  // namespace seodang
