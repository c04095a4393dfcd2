#include "train/rank_batches.h"

#include "data/batch_share.h"

namespace seodang {

bool deals_whole_batches(const TrainOptions& options, int ranks) {
  return options.accumulate % ranks == 0;
}

int64_t rank_tokens(const TrainOptions& options, int ranks, bool pairs) {
  const int64_t longest = int64_t{options.context} * (pairs ? 2 : 1);
  return deals_whole_batches(options, ranks)
             ? options.batch_tokens
             : batch_share_room(options.batch_tokens, longest, ranks);
}

std::span<const Batch> RankBatches::of_step(int64_t step, uint64_t end) {
  const bool whole = deals_whole_batches(options_, ranks_);
  size_t count = 0;
  for (int32_t i = 0; i < options_.accumulate; ++i) {
    const auto index =
        static_cast<uint64_t>((step - 1) * options_.accumulate + i);
    if (index >= end || (whole && i % ranks_ != rank_)) continue;
    if (batches_.size() == count) batches_.emplace_back();
    Batch& batch = batches_[count];
    if (whole) {
      source_.batch(index, batch);
    } else {
      source_.batch(index, whole_);
      take_share(whole_, rank_, ranks_, batch);
    }
    if (!batch.tokens.empty()) ++count;
  }
  return {batches_.data(), count};
}

const Batch* RankBatches::held_out(const Batch& batch, size_t index) {
  if (deals_whole_batches(options_, ranks_))
    return static_cast<int>(index % static_cast<size_t>(ranks_)) == rank_
               ? &batch
               : nullptr;
  take_share(batch, rank_, ranks_, share_);
  return share_.tokens.empty() ? nullptr : &share_;
}

}  // namespace seodang
