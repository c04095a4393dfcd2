#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/families.h"

namespace seodang {
namespace {

using Json = nlohmann::ordered_json;

Json rope_scaling_json(const RopeScaling& s) {
  if (s.rope_type == "default") return nullptr;
  Json json = {{"rope_type", s.rope_type}, {"factor", s.factor}};
  if (s.rope_type == "llama3" || s.rope_type == "yarn")
    json["original_max_position_embeddings"] =
        std::llround(s.original_max_position_embeddings);
  if (s.rope_type == "llama3") {
    json["low_freq_factor"] = s.low_freq_factor;
    json["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.rope_type == "yarn") {
    json["beta_fast"] = s.beta_fast;
    json["beta_slow"] = s.beta_slow;
    json["attention_factor"] = s.attention_factor;
    json["truncate"] = s.truncate;
  }
  return json;
}

Json number_or_null(double value) { return value > 0 ? Json(value) : Json(); }

}  // namespace

int32_t ModelConfig::context_length() const {
  double length = max_position_embeddings;
  // Hugging Face's configurations leave max_position_embeddings as it was
  // before linear and dynamic scaling, but for Gemma 3.
  if ((rope_scaling.rope_type == "linear" && rope_local_base_freq == 0) ||
      rope_scaling.rope_type == "dynamic")
    length *= rope_scaling.factor;
  if (rope_scaling.rope_type == "yarn")
    length =
        std::max(length, rope_scaling.factor *
                             rope_scaling.original_max_position_embeddings);
  return static_cast<int32_t>(
      std::min<double>(length, std::numeric_limits<int32_t>::max()));
}

void ModelConfig::check(const std::string& where) const {
  const auto need = [&](bool ok, std::string_view why) {
    if (!ok) throw Error("{}: {}", where, why);
  };
  need(vocab_size > 0 && vocab_size <= 4'000'000, "vocab_size is absurd");
  need(hidden_size > 0 && hidden_size <= 65536, "hidden_size is absurd");
  need(intermediate_size > 0 && intermediate_size <= 1 << 20,
       "intermediate_size is absurd");
  need(num_hidden_layers > 0 && num_hidden_layers <= 1024,
       "num_hidden_layers is absurd");
  need(num_attention_heads > 0 && num_key_value_heads > 0 &&
           num_attention_heads <= 1024 &&
           num_attention_heads % num_key_value_heads == 0,
       "num_key_value_heads does not divide num_attention_heads");
  need(head_dim > 0 && head_dim % 8 == 0 && head_dim <= 256,
       "head_dim is not a multiple of 8 up to 256");
  need(max_position_embeddings > 0, "max_position_embeddings is absurd");
  need(rope_scaling.factor >= 1 && rope_scaling.factor <= 4096,
       "factor of rope_scaling is absurd");
  need(layer_types.empty() ||
           std::ssize(layer_types) == int64_t{num_hidden_layers},
       "layer_types does not have num_hidden_layers entries");
  for (int32_t l = 0; l < num_hidden_layers; ++l)
    need(!slides(l) || sliding_window > 0,
         "sliding_window is missing and layer_types asks for it");
  for (const int32_t id : eos_token_id)
    need(id < vocab_size, "eos_token_id is outside the vocabulary");
  need(bos_token_id < vocab_size, "bos_token_id is outside the vocabulary");
}

std::string ModelConfig::to_json() const {
  const Family& family = family_of(architecture);
  Json json;
  json["architectures"] = {architecture};
  json["model_type"] = family.model_type;
  json["torch_dtype"] = "float32";
  json["vocab_size"] = vocab_size;
  json["hidden_size"] = hidden_size;
  json["intermediate_size"] = intermediate_size;
  json["num_hidden_layers"] = num_hidden_layers;
  json["num_attention_heads"] = num_attention_heads;
  json["num_key_value_heads"] = num_key_value_heads;
  json["head_dim"] = head_dim;
  json["max_position_embeddings"] = max_position_embeddings;
  json["rms_norm_eps"] = rms_norm_eps;
  json["rope_theta"] = rope_theta;
  json["rope_scaling"] = rope_scaling_json(rope_scaling);
  json["hidden_act"] = name_of(hidden_act);
  json["attention_bias"] = false;
  json["mlp_bias"] = false;
  json["initializer_range"] = initializer_range;
  json["tie_word_embeddings"] = tie_word_embeddings;
  if (bos_token_id >= 0) json["bos_token_id"] = bos_token_id;
  if (eos_token_id.size() == 1)
    json["eos_token_id"] = eos_token_id[0];
  else if (!eos_token_id.empty())
    json["eos_token_id"] = eos_token_id;
  // Of the keys that not every family has, those that this one has.
  const Json own = {
      {"hidden_activation", name_of(hidden_act)},
      {"query_pre_attn_scalar", query_pre_attn_scalar},
      {"attn_logit_softcapping", number_or_null(attn_logit_softcapping)},
      {"final_logit_softcapping", number_or_null(final_logit_softcapping)},
      {"rope_local_base_freq", rope_local_base_freq},
      {"use_sliding_window", sliding_window > 0},
      {"sliding_window", sliding_window > 0 ? Json(sliding_window) : Json()}};
  for (const auto& [key, value] : own.items())
    if (family.defaults().contains(key)) json[key] = value;
  for (const LayerType type : layer_types)
    json["layer_types"].push_back(name_of(type));
  return json.dump(2) + "\n";
}

int64_t ModelConfig::num_product_parameters() const {
  const int64_t hidden = hidden_size;
  const int64_t q = int64_t{num_attention_heads} * head_dim;
  const int64_t kv = int64_t{num_key_value_heads} * head_dim;
  const int64_t layer =
      hidden * (2 * q + 2 * kv) + 3 * hidden * intermediate_size;
  return num_hidden_layers * layer + hidden * vocab_size;
}

int64_t ModelConfig::num_parameters() const {
  const int64_t hidden = hidden_size;
  const int64_t embedding = tie_word_embeddings ? 0 : hidden * vocab_size;
  const int64_t dim = head_dim;
  const int64_t qkv =
      (num_attention_heads + 2 * int64_t{num_key_value_heads}) * dim;
  const int64_t layer = hidden * (branch_norms ? 4 : 2) +
                        (qk_norm ? 2 * dim : 0) + (qkv_bias ? qkv : 0);
  return num_product_parameters() + embedding + hidden +
         num_hidden_layers * layer;
}

double ModelConfig::train_flops(double tokens, double loss_tokens,
                                double context) const {
  const double head = double{1} * hidden_size * vocab_size;
  const double body = static_cast<double>(num_product_parameters()) - head;
  const double width = double{1} * num_attention_heads * head_dim;
  return 6 * body * tokens + 6 * head * loss_tokens +
         6.0 * num_hidden_layers * width * context * tokens;
}

const std::vector<ModelSize>& model_sizes() {
  static const std::vector<ModelSize> sizes = {
      {"nano", 64, 192, 2, 4, 2, 256},
      {"demo", 192, 512, 4, 6, 3, 512},
      {"mini", 384, 1024, 8, 6, 2, 1024},
      {"small", 512, 1408, 8, 8, 8, 1024},
      {"medium", 768, 2048, 12, 12, 4, 1024},
      {"large", 1024, 2816, 24, 16, 4, 2048},
  };
  return sizes;
}

const ModelSize& model_size(std::string_view name) {
  std::string names;
  for (const ModelSize& size : model_sizes()) {
    if (size.name == name) return size;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", size.name);
  }
  throw UsageError("size \"{}\" is unknown; there are {}", name, names);
}

const ModelSize& size_for_tokens(double tokens, int32_t vocab_size) {
  constexpr double kTokensPerWeight = 20;
  const ModelSize* chosen = &model_size("demo");
  for (const ModelSize& size : model_sizes()) {
    const auto weights =
        static_cast<double>(config_of_size(size, vocab_size).num_parameters());
    if (size.hidden_size > chosen->hidden_size &&
        kTokensPerWeight * weights <= tokens)
      chosen = &size;
  }
  return *chosen;
}

double default_learning_rate(const ModelConfig& config) {
  return 0.024 / std::sqrt(static_cast<double>(config.hidden_size));
}

ModelConfig config_of_size(const ModelSize& size, int32_t vocab_size) {
  ModelConfig c;
  c.vocab_size = vocab_size;
  c.hidden_size = size.hidden_size;
  c.intermediate_size = size.intermediate_size;
  c.num_hidden_layers = size.num_hidden_layers;
  c.num_attention_heads = size.num_attention_heads;
  c.num_key_value_heads = size.num_key_value_heads;
  c.head_dim = size.hidden_size / size.num_attention_heads;
  c.max_position_embeddings = size.max_position_embeddings;
  return c;
}

}  // namespace seodang
