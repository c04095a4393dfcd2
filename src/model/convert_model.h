// One model file into another: Hugging Face directory ↔ GGUF, other dtypes,
// blocks and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "model/model_source.h"
#include "tensor/tensor.h"

namespace seodang {

// What becomes of the numbers. A mix gives each tensor a format by its part in
// the model, as llama.cpp's does (llama-quant.cpp).
enum class ConvertType { as_stored, f32, f16, bf16, q8_0, q5_0, q4_0, q4_k_m };

// What a tensor becomes in a GGUF file of this type.
Dtype gguf_dtype(const ModelSource& source, const SourceTensor& tensor,
                 ConvertType type);

// "q4_k_m" → ConvertType::q4_k_m. Throws UsageError that lists what there is.
ConvertType convert_type(const std::string& name);

struct ConvertedTensor {
  std::string name;  // Hugging Face's
  Dtype from = Dtype::f32, to = Dtype::f32;
  int64_t numbers = 0;
  double relative_rms = 0;  // sqrt(Σ(y - x)² / Σx²)
};

struct ConversionReport {
  std::vector<ConvertedTensor> tensors;
  std::string note;  // what another program will do otherwise; or empty
};

// Writes `out`: a GGUF file when it ends in .gguf, else a Hugging Face
// directory, whole or not at all. Numbers that a directory cannot hold (blocks)
// become bf16 unless `type` says. Norms are f32 in GGUF. A matrix whose rows
// are no whole blocks takes the next wider format. `tell` hears each tensor's
// name and its part of the work done, in [0, 1]. Throws Error.
ConversionReport convert_model(
    const std::filesystem::path& model, const std::filesystem::path& out,
    ConvertType type,
    const std::function<void(const std::string&, double)>& tell = {});

}  // namespace seodang
