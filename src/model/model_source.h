// The tensors of a stored model one by one, in whatever files they lie, under
// the names that Hugging Face gives them: the one reader that all use.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/adapter.h"
#include "model/config.h"
#include "model/weights.h"
#include "tensor/tensor.h"

namespace seodang {

struct SourceTensor {
  std::string name;  // Hugging Face's
  WeightShape shape;
  Tensor stored;  // (shape.rows, shape.cols), mapped
  // Where the file's order or numbers are GGUF's (model/gguf_mapping.h): rows
  // of a head that are reordered, 0 for none, and what was added. A vector that
  // is reordered is a column in `stored`.
  int64_t reordered_head_dim = 0;
  float shift = 0;
  // What adapters add, f32, in Hugging Face's order.
  std::vector<Lora> loras = {};
  std::vector<TokenRows> token_rows = {};
};

// A Hugging Face directory, or a file that ends in .gguf, and adapters behind
// it
// ("MODEL+ADAPTER", model/adapter.h). Which files of a directory: those that
// model.safetensors.index.json names, and no other; else model.safetensors,
// else one whole set of NAME-00001-of-0000N.safetensors.
class ModelSource {
 public:
  // Throws Error that names the file and the tensor: one that is missing, has
  // another shape than the configuration asks for, or that it has no use for.
  // Left out are what changes nothing (rotary tables, a tied lm_head) and the
  // tensors of Gemma 3 that see pictures.
  explicit ModelSource(const std::filesystem::path& path);
  ~ModelSource();

  const ModelPath& model_path() const { return model_path_; }
  const std::filesystem::path& path() const { return model_path_.base; }
  // One for each of model_path().adapters.
  const std::vector<Adapter>& adapters() const { return adapters_; }
  // Throws Error for an update that no weight can take in: of an lm_head that
  // is the embedding.
  void check_mergeable() const;
  const ModelConfig& config() const { return config_; }
  const nlohmann::json& config_json() const { return *json_; }
  // Each weight of the configuration once, in the order of for_each_weight.
  const std::vector<SourceTensor>& tensors() const { return tensors_; }
  // Tensors that see pictures, which a text model does not use.
  int64_t vision_tensors() const { return vision_tensors_; }
  // nullptr for a directory.
  const GgufFile* gguf() const { return gguf_.get(); }

 private:
  void open_directory();
  void open_gguf();
  void open_adapters();

  ModelPath model_path_;
  ModelConfig config_;
  std::unique_ptr<nlohmann::json> json_;
  std::vector<SourceTensor> tensors_;
  std::vector<Adapter> adapters_;
  int64_t vision_tensors_ = 0;
  std::map<std::string, SafetensorsFile> files_;
  std::unique_ptr<GgufFile> gguf_;
};

// The tensor without what adapters add.
SourceTensor unmerged(SourceTensor tensor);
// Rows [begin, begin + out.rows) in Hugging Face's order and numbers, what
// adapters add included. out f32, bf16 or f16; or, without adapters, the stored
// dtype, which then comes out as it is.
void read_rows(const SourceTensor& tensor, int64_t begin, Tensor out);

bool is_gguf(const std::filesystem::path& path);  // by its ending

}  // namespace seodang
