// What a decoder is made of, in the words of Hugging Face's config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/glu.h"

namespace seodang {

// How far positions are turned slower than they were trained to be; Hugging
// Face's rope_scaling. See model/rope_frequencies.h for the formulas.
struct RopeScaling {
  std::string rope_type = "default";  // or linear, dynamic, llama3, yarn
  double factor = 1;
  double original_max_position_embeddings = 0;       // llama3, yarn
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  double attention_factor = 1;                       // yarn
  bool truncate = true;                              // yarn
};

enum class LayerType : uint8_t { full_attention, sliding_attention };

// A family of models is a set of values here (model/families.h), not a class.
struct ModelConfig {
  std::string architecture = "LlamaForCausalLM";
  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
  int32_t intermediate_size = 0;
  int32_t num_hidden_layers = 0;
  int32_t num_attention_heads = 0;
  int32_t num_key_value_heads = 0;
  int32_t head_dim = 0;
  int32_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
  int32_t bos_token_id = -1;
  std::vector<int32_t> eos_token_id;

  // What not every family has; as here, Llama's.
  Activation hidden_act = Activation::silu;
  bool qkv_bias = false;       // q, k and v have a bias
  bool qk_norm = false;        // heads of q and k are normalized before rope
  bool branch_norms = false;   // attention and feed-forward end in a norm too
  bool norm_plus_one = false;  // norms multiply by 1 + weight
  bool scale_embeddings = false;     // by sqrt(hidden_size)
  double query_pre_attn_scalar = 0;  // 0: head_dim
  double attn_logit_softcapping = 0, final_logit_softcapping = 0;  // 0: none
  int32_t sliding_window = 0;          // of the sliding layers
  std::vector<LayerType> layer_types;  // empty: all full_attention
  double rope_local_base_freq = 0;  // rope_theta of sliding layers, unscaled;
                                    // 0: they turn as the others

  // Reads DIR/config.json. Throws Error naming the key when one is missing, of
  // the wrong type, absurd, unknown, or changes the maths in a way that is not
  // built.
  static ModelConfig load(const std::filesystem::path& directory);
  // The same from what config.json holds; `where` names it in errors.
  static ModelConfig from_json(const nlohmann::json& json,
                               const std::string& where);
  // The text of config.json.
  std::string to_json() const;

  bool slides(int64_t layer) const {
    return !layer_types.empty() && layer_types[static_cast<size_t>(layer)] ==
                                       LayerType::sliding_attention;
  }
  // Tokens that a sequence may have: max_position_embeddings, and more where
  // rope_scaling stretches it.
  int32_t context_length() const;

  // Throws Error naming the first key that contradicts another.
  void check(const std::string& where) const;

  // Every weight once (a tied lm_head is the embedding).
  int64_t num_parameters() const;
  // Weights that take part in a product for every token: all but the norms and
  // the embedding lookup.
  int64_t num_product_parameters() const;
  // Floating-point operations of training on `tokens` tokens in spans of mean
  // length `context`, `loss_tokens` of them with a target: 6 · product weights,
  // of lm_head only where there is a target, + 6 · layers · width · context
  // (causal attention). What --recompute does twice counts once.
  double train_flops(double tokens, double loss_tokens, double context) const;
};

// The one dial: widths, depth and context of a Llama-shaped model by name. For
// an unknown name model_size throws UsageError that lists those there are.
struct ModelSize {
  std::string_view name;
  int32_t hidden_size, intermediate_size, num_hidden_layers,
      num_attention_heads, num_key_value_heads, max_position_embeddings;
};
const std::vector<ModelSize>& model_sizes();
const ModelSize& model_size(std::string_view name);
// The largest whose every weight has 20 tokens to learn from (Hoffmann et al.,
// "Training Compute-Optimal Large Language Models", 2022, table 3); "demo"
// where there are fewer: facts that are read often need room more than tokens.
const ModelSize& size_for_tokens(double tokens, int32_t vocab_size);
// Peak learning rate of AdamW for this width when training from nothing: falls
// with the square root of hidden_size.
double default_learning_rate(const ModelConfig& config);
ModelConfig config_of_size(const ModelSize& size, int32_t vocab_size);

}  // namespace seodang
