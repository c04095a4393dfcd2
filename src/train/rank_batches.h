// Which part of the batches each rank reads. What all of them read, and so what
// is learned, is the same for any number of ranks.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "data/batches.h"
#include "train/options.h"

namespace seodang {

// Of a step's batches each rank takes whole ones where they come out even
// (--accumulate is a multiple of the ranks), and else a share of each.
bool deals_whole_batches(const TrainOptions& options, int ranks);
// The most tokens that a rank works on at once; neither a sequence nor a pair
// of them is divided.
int64_t rank_tokens(const TrainOptions& options, int ranks, bool pairs);

class RankBatches {
 public:
  // Both must outlive it; the options are settled.
  RankBatches(const BatchSource& source, const TrainOptions& options, int rank,
              int ranks)
      : source_(source), options_(options), rank_(rank), ranks_(ranks) {}

  // This rank's part of a step (from 1), of batches before `end`; valid until
  // the next call.
  std::span<const Batch> of_step(
      int64_t step, uint64_t end = std::numeric_limits<uint64_t>::max());
  // Its part of the batch that is held out as number `index`, likewise; null:
  // nothing.
  const Batch* held_out(const Batch& batch, size_t index);

 private:
  const BatchSource& source_;
  const TrainOptions& options_;
  int rank_, ranks_;
  std::vector<Batch> batches_;
  Batch whole_, share_;
};

}  // namespace seodang
