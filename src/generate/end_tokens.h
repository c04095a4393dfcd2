// The tokens at which a model stops.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "model/config.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// The eos tokens that config.json and generation_config.json declare, sorted.
// Throws Error naming the file.
std::vector<int32_t> declared_eos(const std::filesystem::path& directory,
                                  const ModelConfig& config);

// These and the tokenizer's end-of-turn tokens, sorted.
std::vector<int32_t> end_tokens(std::vector<int32_t> declared,
                                const Tokenizer& tokenizer);

}  // namespace seodang
