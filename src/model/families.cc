#include "model/families.h"

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {
namespace {

constexpr bool kYes = true, kNo = false;

// Every sliding_window_pattern-th layer is a full one; 0: none is.
constexpr std::array<Family, 7> kFamilies = {{
    {"LlamaForCausalLM", "llama", kNo, kNo, kNo, kNo, kNo,
     R"({"hidden_act": "silu", "max_position_embeddings": 2048,
         "tie_word_embeddings": false})"},
    {"MistralForCausalLM", "mistral", kNo, kNo, kNo, kNo, kNo,
     R"({"hidden_act": "silu", "max_position_embeddings": 131072,
         "num_key_value_heads": 8, "tie_word_embeddings": false,
         "sliding_window": 4096, "sliding_window_pattern": 0})"},
    {"Qwen2ForCausalLM", "qwen2", kYes, kNo, kNo, kNo, kNo,
     R"({"hidden_act": "silu", "max_position_embeddings": 32768,
         "num_key_value_heads": 32, "tie_word_embeddings": false,
         "use_sliding_window": false, "sliding_window": 4096,
         "max_window_layers": 28})"},
    {"Qwen3ForCausalLM", "qwen3", kNo, kYes, kNo, kNo, kNo,
     R"({"hidden_act": "silu", "max_position_embeddings": 32768,
         "num_key_value_heads": 32, "head_dim": 128,
         "tie_word_embeddings": false,
         "use_sliding_window": false, "sliding_window": 4096,
         "max_window_layers": 28})"},
    {"GemmaForCausalLM", "gemma", kNo, kNo, kNo, kYes, kYes,
     R"({"hidden_activation": "gelu_pytorch_tanh", "head_dim": 256,
         "max_position_embeddings": 8192, "tie_word_embeddings": true})"},
    {"Gemma2ForCausalLM", "gemma2", kNo, kNo, kYes, kYes, kYes,
     R"({"hidden_activation": "gelu_pytorch_tanh", "head_dim": 256,
         "num_key_value_heads": 4, "max_position_embeddings": 8192,
         "tie_word_embeddings": true, "query_pre_attn_scalar": 256,
         "sliding_window": 4096, "sliding_window_pattern": 2,
         "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0})"},
    {"Gemma3ForCausalLM", "gemma3_text", kNo, kYes, kYes, kYes, kYes,
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
