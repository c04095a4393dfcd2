// A model: configuration and weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/weights.h"

namespace seodang {

class ModelSource;  // model/model_source.h

class Model {
 public:
  // Reads a model's directory or .gguf file (model/model_source.h), converted
  // to `dtype`, into one block of memory: to be trained. Adapters are merged.
  static Model load(const std::filesystem::path& path, Dtype dtype);
  // The same to be used, computing in `dtype`: matrices that the files hold in
  // `dtype`, in 16 bits or in blocks stay there, mapped and read-only, and cost
  // no memory of their own. Norms, biases and rows that GGUF reorders are
  // copied. Adapters stay beside the weights, in `dtype`.
  static Model map(const std::filesystem::path& path, Dtype dtype);
  // As map(), but all is copied into one block of memory, from which products
  // read a third to a half faster: its pages are large, and q, k and v lie
  // behind one another.
  static Model load_frozen(const std::filesystem::path& path, Dtype dtype);
  // The latter where half of the memory that is available holds it, else the
  // former.
  static Model load_for_use(const std::filesystem::path& path, Dtype dtype);
  // One whose weights live elsewhere, which must outlive it.
  static Model view(const ModelConfig& config, const Weights& weights);
  // Random weights: normal(0, initializer_range), residual projections scaled
  // by 1/sqrt(2·layers) (Radford et al., GPT-2, 2019, section 2.3), norms that
  // multiply by 1, biases 0.
  static Model random(const ModelConfig& config, uint64_t seed, Dtype dtype);

  const ModelConfig& config() const { return config_; }
  // The tokens that begin a text and end one: a matter of the tokenizer and the
  // tuning, not of the weights.
  void set_token_ids(int32_t bos, std::vector<int32_t> eos);
  const Weights& weights() const { return weights_; }
  // The whole block that the weights live in: weights_size(config) numbers.
  // Empty when they are mapped.
  Tensor memory() const { return memory_; }

 private:
  static Model load(const ModelSource& source, Dtype dtype, bool merge);
  static Model map(const std::shared_ptr<const ModelSource>& source,
                   Dtype dtype);
  static Model copy(const ModelSource& source, Dtype dtype);
  void attach_adapters(const ModelSource& source, Dtype dtype);

  ModelConfig config_;
  OwnedTensor memory_;
  Buffer copies_;                       // load_frozen()'s
  std::vector<OwnedTensor> converted_;  // what could not stay in the files
  std::shared_ptr<const ModelSource> source_;  // what stayed in them
  Weights weights_;
};

// Writes config.json, generation_config.json and model.safetensors into an
// existing directory. `weights` f32 or bf16.
void save_model(const std::filesystem::path& directory,
                const ModelConfig& config, const Weights& weights);

}  // namespace seodang
