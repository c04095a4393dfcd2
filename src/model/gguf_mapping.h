// One model, two spellings: Hugging Face's config.json, tensor names and row
// orders, and GGUF's (llama.cpp, gguf-py/gguf/constants.py and
// tensor_mapping.py). All of it is tables, so that a family is some more rows.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace seodang {

struct GgufFamily {
  std::string_view architecture;  // of config.json: "LlamaForCausalLM"
  std::string_view model_type;    // of config.json: "llama"
  std::string_view name;          // general.architecture
  // GGUF's rows of q and k are in the order of a rotation of neighbours (2i,
  // 2i+1); Hugging Face rotates i with i + head_dim/2.
  bool rotates_neighbours = false;
  // GGUF's norms are 1 + w where Hugging Face's are w.
  bool norms_plus_one = false;
  // A norm before and after both attention and feed-forward (Gemma 2 and 3).
  bool norms_around = false;
};

// Throws Error when there is none; `where` names the file.
const GgufFamily& gguf_family_of(const nlohmann::json& config,
                                 const std::string& where);
const GgufFamily& gguf_family_of(const GgufFile& file);

// "model.layers.0.self_attn.q_proj.weight" ↔ "blk.0.attn_q.weight"; empty when
// the family has no such tensor.
std::string gguf_tensor_name(const GgufFamily& family, std::string_view name);
std::string hf_tensor_name(const GgufFamily& family, std::string_view name);

// Heads whose rows GGUF orders for a rotation of neighbours; 0: rows are in
// Hugging Face's order. `name` is Hugging Face's.
int64_t reordered_heads(const GgufFamily& family, std::string_view name,
                        const nlohmann::json& config);
// Row of the one that is row `row` of the other, in heads of `head_dim` rows.
int64_t hf_row_of_gguf(int64_t row, int64_t head_dim);
int64_t gguf_row_of_hf(int64_t row, int64_t head_dim);
// What GGUF adds to each number of the tensor: 1 for some norms.
float gguf_shift(const GgufFamily& family, std::string_view name);

// config.json as Hugging Face would write it. Throws Error naming the key.
nlohmann::json config_of(const GgufFile& file);
// The metadata but for the tokenizer's. `name` is the model's, for people.
GgufMetadata metadata_of(const nlohmann::json& config, const std::string& where,
                         const std::string& name);

// The divisors of each rotation's frequency, head_dim/2 of them, that
// rope_scaling "llama3" stands for; empty for any other. GGUF has them as
// tensor rope_freqs.weight. (Hugging Face, modeling_rope_utils.py,
// _compute_llama3_parameters.)
inline constexpr const char* kRopeFactors = "rope_freqs.weight";
std::vector<float> rope_factors(const nlohmann::json& config);

}  // namespace seodang
