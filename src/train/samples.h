// What the model in training would say: a greedy continuation, for the log.
#pragma once

#include <string>
#include <vector>

#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// At most 32 tokens, ended by an end-of-turn token.
std::string continue_text(const ModelConfig& config, const Weights& weights,
                          const Tokenizer& tokenizer,
                          const std::vector<int32_t>& prompt);

}  // namespace seodang
