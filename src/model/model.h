// A model as it lies in its Hugging Face directory: configuration and weights.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/weights.h"

namespace seodang {

class ModelSource;  // model/model_source.h

class Model {
 public:
  // Reads config.json and model.safetensors (or the shards that
  // model.safetensors.index.json names), converted to `dtype`. Throws Error
  // naming the file and the tensor.
  static Model load(const std::filesystem::path& directory, Dtype dtype);
  // Maps a GGUF file. Blocks, and numbers of `dtype`, stay where they are; what
  // else there is (norms, rows that GGUF reorders) is copied.
  static Model load_gguf(const std::filesystem::path& file, Dtype dtype);
  // Random weights: normal(0, initializer_range), residual projections scaled
  // by 1/sqrt(2·layers) (Radford et al., GPT-2, 2019, section 2.3), norms 1.
  static Model random(const ModelConfig& config, uint64_t seed, Dtype dtype);

  const ModelConfig& config() const { return config_; }
  // The tokens that begin a text and end one: a matter of the tokenizer and of
  // manners, not of the weights.
  void set_token_ids(int32_t bos, std::vector<int32_t> eos);
  const Weights& weights() const { return weights_; }
  // The whole block that the weights live in: weights_size(config) numbers.
  // None when they were loaded from GGUF.
  Tensor memory() const { return memory_; }

 private:
  ModelConfig config_;
  OwnedTensor memory_;
  std::shared_ptr<const ModelSource> source_;  // mapped
  std::vector<OwnedTensor> copies_;
  Weights weights_;
};

// Writes config.json, generation_config.json and model.safetensors into an
// existing directory. `weights` f32 or bf16.
void save_model(const std::filesystem::path& directory,
                const ModelConfig& config, const Weights& weights);

}  // namespace seodang
