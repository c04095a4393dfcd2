// What a decoder is made of, in the words of Hugging Face's config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

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
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
  int32_t bos_token_id = -1;
  std::vector<int32_t> eos_token_id;

  // Reads DIR/config.json. Throws Error naming the key when one is missing, of
  // the wrong type, absurd, or changes the maths in a way that is not built.
  static ModelConfig load(const std::filesystem::path& directory);
  // The same of a config.json's text; `where` names it in messages.
  static ModelConfig parse(std::string_view json, const std::string& where);
  // The text of config.json.
  std::string to_json() const;

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
// Peak learning rate of AdamW for this width when training from nothing: falls
// with the square root of hidden_size.
double default_learning_rate(const ModelConfig& config);
ModelConfig config_of_size(const ModelSize& size, int32_t vocab_size);

}  // namespace seodang
