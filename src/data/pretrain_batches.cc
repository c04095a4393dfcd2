#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "data/batch_filler.h"
#include "data/batches.h"

namespace seodang {
namespace {

class PretrainBatches : public BatchSource {
 public:
  PretrainBatches(TokenShards shards, int32_t tokens_per_batch,
                  int32_t max_length, uint64_t seed)
      : shards_(std::move(shards)),
        tokens_per_batch_(tokens_per_batch),
        max_length_(max_length),
        seed_(seed),
        order_(shards_.num_documents()),
        ends_(shards_.num_documents()) {
    if (shards_.num_tokens() == 0)
      throw Error("no documents to train on; prepare a larger corpus");
    if (tokens_per_batch < 1 || max_length < 1)
      throw UsageError("batch tokens and context must be at least 1");
  }

  uint64_t batches_per_epoch() const override {
    return (shards_.num_tokens() + tokens_per_batch_ - 1) / tokens_per_batch_;
  }

  void batch(uint64_t index, Batch& out) const override {
    const uint64_t tokens = shards_.num_tokens();
    const uint64_t first = index * tokens_per_batch_;
    BatchFiller filler(out, tokens_per_batch_, max_length_);
    uint64_t epoch = first / tokens;
    for (int64_t at = first % tokens; filler.room() > 0; ++epoch, at = 0) {
      lay_out(epoch);
      size_t place =
          std::upper_bound(ends_.begin(), ends_.end(), at) - ends_.begin();
      for (; place < order_.size() && filler.room() > 0; ++place) {
        const int64_t length = shards_.document_length(order_[place]);
        filler.add_document(shards_, order_[place],
                            at - (ends_[place] - length));
        at = ends_[place];
      }
    }
  }

 private:
  // The order of the documents in an epoch, and where each one ends.
  void lay_out(uint64_t epoch) const {
    if (epoch == epoch_) return;
    std::iota(order_.begin(), order_.end(), 0);
    Rng(seed_, epoch).shuffle(std::span(order_));
    int64_t end = 0;
    for (size_t i = 0; i < order_.size(); ++i)
      ends_[i] = end += shards_.document_length(order_[i]);
    epoch_ = epoch;
  }

  TokenShards shards_;
  int32_t tokens_per_batch_, max_length_;
  uint64_t seed_;
  mutable uint64_t epoch_ = std::numeric_limits<uint64_t>::max();  // laid out
  mutable std::vector<int64_t> order_, ends_;
};

}  // namespace

std::unique_ptr<BatchSource> pretrain_batches(TokenShards shards,
                                              int32_t tokens_per_batch,
                                              int32_t max_length,
                                              uint64_t seed) {
  return std::make_unique<PretrainBatches>(std::move(shards), tokens_per_batch,
                                           max_length, seed);
}

std::vector<Batch> validation_batches(const TokenShards& shards,
                                      int32_t tokens_per_batch,
                                      int32_t max_length, int64_t max_batches) {
  std::vector<Batch> batches;
  int64_t document = 0, begin = 0;
  while (document < shards.num_documents() &&
         (max_batches == 0 ||
          static_cast<int64_t>(batches.size()) < max_batches)) {
    BatchFiller filler(batches.emplace_back(), tokens_per_batch, max_length);
    while (document < shards.num_documents() && filler.room() > 0) {
      begin += filler.add_document(shards, document, begin);
      if (begin < shards.document_length(document)) continue;
      ++document;
      begin = 0;
    }
    filler.pad();
  }
  return batches;
}

}  // namespace seodang
