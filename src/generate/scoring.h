// How probable a model finds a text that it did not write.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/model.h"

namespace seodang {

struct Continuation {
  std::vector<int32_t> prompt;  // at least one token
  std::vector<int32_t> tokens;
};

// log P(tokens | prompt) in nats for each item: Σ log softmax(logits)[token].
// Items are packed into forwards of up to `max_tokens` tokens. Throws Error
// when an item has no prompt or is longer than context_length().
std::vector<double> log_probabilities(const ModelConfig& config,
                                      const Weights& weights,
                                      std::span<const Continuation> items,
                                      int64_t max_tokens = 4096);

}  // namespace seodang
