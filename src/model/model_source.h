// The tensors of a stored model one by one, in whatever file they lie, as
// Hugging Face names and orders them.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "tensor/tensor.h"

namespace seodang {

struct SourceTensor {
  std::string name;            // Hugging Face's
  std::vector<int64_t> shape;  // as it is stored; rows first
  Tensor stored;               // a matrix (a vector is one row), mapped
  // Where the file's order or numbers are GGUF's (model/gguf_mapping.h): rows
  // of a head that are reordered, 0 for none, and what was added.
  int64_t reordered_head_dim = 0;
  float shift = 0;
};

class ModelSource {
 public:
  // A Hugging Face directory, or a file that ends in .gguf. Throws Error naming
  // the file, and a tensor that the family should not have.
  explicit ModelSource(const std::filesystem::path& path);
  ~ModelSource();

  const std::filesystem::path& path() const { return path_; }
  const nlohmann::json& config() const { return *config_; }  // as config.json
  // In the order of the model: embedding, layers, norm, head.
  const std::vector<SourceTensor>& tensors() const { return tensors_; }
  // nullptr for a directory.
  const GgufFile* gguf() const { return gguf_.get(); }

 private:
  void open_directory();
  void open_gguf();

  std::filesystem::path path_;
  std::unique_ptr<nlohmann::json> config_;
  std::vector<SourceTensor> tensors_;
  std::vector<SafetensorsFile> files_;
  std::unique_ptr<GgufFile> gguf_;
};

// Rows [begin, begin + out.rows) in Hugging Face's order and numbers. out f32,
// bf16 or f16, or the stored dtype, which then comes out as it is.
void read_rows(const SourceTensor& tensor, int64_t begin, Tensor out);

bool is_gguf(const std::filesystem::path& path);  // by its ending

}  // namespace seodang
