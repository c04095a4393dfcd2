// A model as it lies in its Hugging Face directory: configuration and weights.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "model/config.h"
#include "model/weights.h"

namespace seodang {

class ModelSource;  // model/model_source.h

class Model {
 public:
  // Reads config.json and model.safetensors (or the shards that
  // model.safetensors.index.json names), converted to `dtype`, into one block
  // of memory: to be trained. Throws Error naming the file and the tensor; a
  // tensor that `config` has no use for is one too, unless it is known to be
  // none of the text's (Gemma 3's vision_tower and multi_modal_projector).
  static Model load(const std::filesystem::path& directory, Dtype dtype);
  // The same to be used, computing in `dtype`: matrices that the files hold in
  // `dtype` or in 16 bits stay there, mapped and read-only, and cost no memory
  // of their own. Norms and biases are converted.
  static Model map(const std::filesystem::path& directory, Dtype dtype);
  // The same of a GGUF file, where blocks stay too; what else there is (norms,
  // rows that GGUF reorders) is copied.
  static Model load_gguf(const std::filesystem::path& file, Dtype dtype);
  // Random weights: normal(0, initializer_range), residual projections scaled
  // by 1/sqrt(2·layers) (Radford et al., GPT-2, 2019, section 2.3), norms that
  // multiply by 1, biases 0.
  static Model random(const ModelConfig& config, uint64_t seed, Dtype dtype);

  const ModelConfig& config() const { return config_; }
  // The tokens that begin a text and end one: a matter of the tokenizer and of
  // manners, not of the weights.
  void set_token_ids(int32_t bos, std::vector<int32_t> eos);
  const Weights& weights() const { return weights_; }
  // The whole block that the weights live in: weights_size(config) numbers.
  // Empty when they are mapped.
  Tensor memory() const { return memory_; }

 private:
  // Views of what is stored, of whatever dtype.
  static Model open(const std::filesystem::path& directory);
  // Copies the weights into one block of their own.
  void take_memory(Dtype dtype);

  ModelConfig config_;
  OwnedTensor memory_;
  std::vector<OwnedTensor> converted_;  // what could not stay in the files
  std::map<std::string, SafetensorsFile> files_;
  std::shared_ptr<const ModelSource> source_;  // of GGUF
  Weights weights_;
};

// Writes config.json, generation_config.json and model.safetensors into an
// existing directory. `weights` f32 or bf16.
void save_model(const std::filesystem::path& directory,
                const ModelConfig& config, const Weights& weights);

}  // namespace seodang
