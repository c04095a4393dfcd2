#include "model/families.h"

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {
namespace {

// A GGUF architecture that several classes share belongs to the first.
constexpr std::array<Family, 7> kFamilies = {{
    {.architecture = "LlamaForCausalLM",
     .model_type = "llama",
     .gguf_name = "llama",
     .gguf_rotates_neighbours = true,
     .default_keys = R"({"hidden_act": "silu", "max_position_embeddings": 2048,
         "tie_word_embeddings": false})"},
    {.architecture = "MistralForCausalLM",
     .model_type = "mistral",
     .gguf_name = "llama",
     .gguf_rotates_neighbours = true,
     .default_keys =
         R"({"hidden_act": "silu", "max_position_embeddings": 131072,
         "num_key_value_heads": 8, "tie_word_embeddings": false,
         "sliding_window": 4096, "sliding_window_pattern": 0})"},
    {.architecture = "Qwen2ForCausalLM",
     .model_type = "qwen2",
     .gguf_name = "qwen2",
     .qkv_bias = true,
     .default_keys = R"({"hidden_act": "silu", "max_position_embeddings": 32768,
         "num_key_value_heads": 32, "tie_word_embeddings": false,
         "use_sliding_window": false, "sliding_window": 4096,
         "max_window_layers": 28})"},
    {.architecture = "Qwen3ForCausalLM",
     .model_type = "qwen3",
     .gguf_name = "qwen3",
     .qk_norm = true,
     .default_keys = R"({"hidden_act": "silu", "max_position_embeddings": 32768,
         "num_key_value_heads": 32, "head_dim": 128,
         "tie_word_embeddings": false,
         "use_sliding_window": false, "sliding_window": 4096,
         "max_window_layers": 28})"},
    {.architecture = "GemmaForCausalLM",
     .model_type = "gemma",
     .gguf_name = "gemma",
     .norm_plus_one = true,
     .scale_embeddings = true,
     .default_keys =
         R"({"hidden_activation": "gelu_pytorch_tanh", "head_dim": 256,
         "max_position_embeddings": 8192, "tie_word_embeddings": true})"},
    {.architecture = "Gemma2ForCausalLM",
     .model_type = "gemma2",
     .gguf_name = "gemma2",
     .branch_norms = true,
     .norm_plus_one = true,
     .scale_embeddings = true,
     .default_keys =
         R"({"hidden_activation": "gelu_pytorch_tanh", "head_dim": 256,
         "num_key_value_heads": 4, "max_position_embeddings": 8192,
         "tie_word_embeddings": true, "query_pre_attn_scalar": 256,
         "sliding_window": 4096, "sliding_window_pattern": 2,
         "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0})"},
    {.architecture = "Gemma3ForCausalLM",
     .model_type = "gemma3_text",
     .gguf_name = "gemma3",
     .qk_norm = true,
     .branch_norms = true,
     .norm_plus_one = true,
     .scale_embeddings = true,
     .default_keys =
         R"({"hidden_activation": "gelu_pytorch_tanh", "vocab_size": 262208,
         "hidden_size": 2304, "intermediate_size": 9216,
         "num_hidden_layers": 26, "num_attention_heads": 8,
         "num_key_value_heads": 4, "head_dim": 256,
         "max_position_embeddings": 131072, "tie_word_embeddings": true,
         "query_pre_attn_scalar": 256, "sliding_window": 4096,
         "sliding_window_pattern": 6, "rope_theta": 1000000.0,
         "rope_local_base_freq": 10000.0, "attn_logit_softcapping": null,
         "final_logit_softcapping": null})"},
}};

}  // namespace

nlohmann::json Family::defaults() const {
  return nlohmann::json::parse(default_keys);
}

std::span<const Family> families() { return kFamilies; }

const Family* find_family(std::string_view architecture) {
  for (const Family& family : kFamilies)
    if (family.architecture == architecture) return &family;
  return nullptr;
}

const Family& family_of(std::string_view architecture) {
  if (const Family* family = find_family(architecture)) return *family;
  throw Error("architecture {} is not supported", architecture);
}

std::string family_names() {
  std::string out;
  for (const Family& family : kFamilies)
    out += (out.empty() ? "" : ", ") + std::string(family.architecture);
  return out;
}

std::string_view name_of(Activation activation) {
  return activation == Activation::silu ? "silu" : "gelu_pytorch_tanh";
}

std::string_view name_of(LayerType type) {
  return type == LayerType::full_attention ? "full_attention"
                                           : "sliding_attention";
}

}  // namespace seodang
