// One model, two spellings: Hugging Face's config.json, tensor names and row
// orders, and GGUF's (llama.cpp, gguf-py/gguf/constants.py and
// tensor_mapping.py). All of it is tables; the families' is model/families.h.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "formats/gguf.h"
#include "model/families.h"

namespace seodang {

// Throws Error when there is none.
const Family& gguf_family_of(const GgufFile& file);

// "model.layers.0.self_attn.q_proj.weight" ↔ "blk.0.attn_q.weight"; empty when
// the family has no such tensor.
std::string gguf_tensor_name(const Family& family, std::string_view name);
std::string hf_tensor_name(const Family& family, std::string_view name);

// Heads whose rows GGUF orders for a rotation of neighbours; 0: rows are in
// Hugging Face's order. `name` is Hugging Face's.
int64_t reordered_heads(const Family& family, std::string_view name,
                        const ModelConfig& config);
// Row of the one that is row `row` of the other, in heads of `head_dim` rows.
int64_t hf_row_of_gguf(int64_t row, int64_t head_dim);
int64_t gguf_row_of_hf(int64_t row, int64_t head_dim);
// What GGUF adds to each number of the tensor: 1 for some norms.
float gguf_shift(const Family& family, std::string_view name);

// config.json as Hugging Face would write it. Throws Error naming the key.
nlohmann::json config_of(const GgufFile& file);
// The metadata but for the tokenizer's. `name` is the model's, for people.
GgufMetadata metadata_of(const nlohmann::json& config, const std::string& where,
                         const std::string& name);

// The divisors of each rotation's frequency, head_dim/2 of them, that
// rope_scaling "llama3" stands for (model/rope_frequencies.h); empty for any
// other. GGUF has them as tensor rope_freqs.weight.
inline constexpr const char* kRopeFactors = "rope_freqs.weight";
std::vector<float> rope_factors(const ModelConfig& config);

}  // namespace seodang
