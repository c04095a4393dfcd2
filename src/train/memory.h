// What a training run will take, known before anything is allocated.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "train/options.h"

namespace seodang {

struct TrainingMemory {
  int64_t weights = 0;      // bytes: of masters, copy, gradients and moments;
                            // and those of a model that does not learn
  int64_t activations = 0;  // and their gradients
  int64_t total() const { return weights + activations; }
};

// What learns: a whole model, or an adapter of one that has so many bytes.
struct Trainable {
  bool adapter = false;
  LoraOptions lora = {};
  int64_t token_rows = 0;  // of the adapter
  int64_t model_bytes = 0;
  // Tokens that a teacher reads at once; 0: there is none (model/decoder.h).
  int64_t teacher_tokens = 0;
  int copies = 0;  // in f32, of what learns
  // Between which the moments, the masters in bf16, and each step's batches are
  // divided.
  int ranks = 1;
};

// Of a run whose context is settled, for each rank, or rather the root, which
// writes checkpoints; right to a few per cent.
TrainingMemory training_memory(const ModelConfig& config,
                               const TrainOptions& options,
                               const Trainable& trainable);

// Returns how much that is. Throws UsageError where it is more than `available`
// bytes: how much, and the first of --recompute, fewer --batch-tokens, --lora
// (where `may_adapt`) and all of them that fits.
int64_t check_memory(const ModelConfig& config, const TrainOptions& options,
                     const Trainable& trainable, bool may_adapt,
                     int64_t available);

}  // namespace seodang
