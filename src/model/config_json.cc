// config.json, as Hugging Face's classes write it and strangers edit it.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "formats/json_object.h"
#include "model/config.h"
#include "model/families.h"

namespace seodang {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr const char* kPictureModel = "Gemma3ForConditionalGeneration";

// Read below.
constexpr auto kReadKeys =
    std::to_array<std::string_view>({"vocab_size",
                                     "hidden_size",
                                     "intermediate_size",
                                     "num_hidden_layers",
                                     "num_attention_heads",
                                     "num_key_value_heads",
                                     "head_dim",
                                     "max_position_embeddings",
                                     "rms_norm_eps",
                                     "rope_theta",
                                     "rope_scaling",
                                     "initializer_range",
                                     "tie_word_embeddings",
                                     "bos_token_id",
                                     "eos_token_id",
                                     "hidden_act",
                                     "hidden_activation",
                                     "query_pre_attn_scalar",
                                     "attn_logit_softcapping",
                                     "final_logit_softcapping",
                                     "sliding_window",
                                     "sliding_window_size",
                                     "sliding_window_pattern",
                                     "_sliding_window_pattern",
                                     "layer_types",
                                     "use_sliding_window",
                                     "max_window_layers",
                                     "rope_local_base_freq",
                                     "attention_bias",
                                     "mlp_bias",
                                     "partial_rotary_factor",
                                     "use_bidirectional_attention",
                                     "quantization_config"});

// These do not change what a token's logits are.
constexpr auto kNeutralKeys = std::to_array<std::string_view>(
    {"architectures", "model_type", "torch_dtype", "dtype",
     "transformers_version", "use_cache", "cache_implementation",
     "attention_dropout", "pad_token_id", "sep_token_id", "pretraining_tp",
     "auto_map", "name_or_path", "attn_implementation", "max_sequence_length",
     "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward",
     "decoder_start_token_id", "diversity_penalty", "do_sample",
     "early_stopping", "encoder_no_repeat_ngram_size", "finetuning_task",
     "exponential_decay_length_penalty", "forced_bos_token_id",
     "forced_eos_token_id", "id2label", "label2id", "length_penalty",
     "is_decoder", "max_length", "min_length", "no_repeat_ngram_size",
     "num_beam_groups", "num_beams", "num_return_sequences", "prefix",
     "problem_type", "pruned_heads", "repetition_penalty", "return_dict",
     "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
     "tokenizer_class", "top_k", "top_p", "typical_p",
     // Of training, and of who wrote it.
     "attn_pdrop", "embd_pdrop", "gradient_checkpointing", "hidden_dropout",
     "is_llama_config", "loss_type", "model_max_length", "neftune_noise_alpha",
     "output_attentions", "output_hidden_states", "resid_pdrop",
     "return_dict_in_generate", "transformers.js_config", "use_flash_attention",
     "use_flash_attention_2"});

constexpr auto kRopeKeys = std::to_array<std::string_view>(
    {"rope_type", "type", "factor", "original_max_position_embeddings",
     "low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow",
     "attention_factor", "mscale", "mscale_all_dim", "truncate", "rope_theta",
     "partial_rotary_factor", "finetuned"});

template <size_t kCount>
bool among(const std::array<std::string_view, kCount>& keys,
           std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

int32_t count(const JsonObject& read, const char* key) {
  return static_cast<int32_t>(
      read.integer(key, 1, std::numeric_limits<int32_t>::max()));
}

int32_t count(const JsonObject& read, const char* key, int32_t otherwise) {
  return read.has(key) ? count(read, key) : otherwise;
}

// What nobody knows may change the maths, unless it is switched off.
template <size_t kCount>
void refuse_unknown(const json& values, const std::string& where,
                    const std::array<std::string_view, kCount>& known) {
  for (const auto& [key, value] : values.items()) {
    if (among(known, key) || among(kNeutralKeys, key)) continue;
    if (key.starts_with("_") || key.starts_with("unsloth")) continue;
    if (value.is_null() || value == false) continue;
    throw Error("{}: {} is not known here; the model might be run wrongly",
                where, key.substr(0, 80));
  }
}

// The text part of a model that also sees pictures.
json text_part(const json& whole, const std::string& where) {
  if (!whole.contains("text_config") || !whole["text_config"].is_object())
    throw Error("{}: text_config is missing", where);
  json text = whole["text_config"];
  for (const char* key :
       {"bos_token_id", "eos_token_id", "tie_word_embeddings"})
    if (whole.contains(key) && !text.contains(key)) text[key] = whole[key];
  return text;
}

// Newer files have rope_parameters in place of rope_theta, rope_scaling and
// rope_local_base_freq; where layers turn differently, one for each layer type.
void unfold_rope_parameters(json& values, const std::string& where) {
  const auto found = values.find("rope_parameters");
  if (found == values.end()) return;
  const json all = *found;
  values.erase(found);
  if (all.is_null()) return;
  if (!all.is_object())
    throw Error("{}: rope_parameters is not an object", where);
  json own = all;
  if (all.contains("full_attention")) {
    own = all["full_attention"];
    const json local = all.value("sliding_attention", json::object());
    if (!own.is_object() || !local.is_object())
      throw Error("{}: rope_parameters is not an object", where);
    if (local.value("rope_type", json("default")) != "default")
      throw Error("{}: rope_parameters of sliding_attention is not supported",
                  where);
    if (local.contains("rope_theta"))
      values["rope_local_base_freq"] = local["rope_theta"];
  }
  if (own.contains("rope_theta")) values["rope_theta"] = own["rope_theta"];
  values["rope_scaling"] = own;
}

// Peng et al., "YaRN", 2023, section 3.4; DeepSeek's two factors.
double yarn_attention_factor(const JsonObject& read, double factor) {
  const auto of = [&](double scale) {
    return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1;
  };
  if (read.has("mscale") && read.has("mscale_all_dim"))
    return of(read.positive("mscale")) / of(read.positive("mscale_all_dim"));
  return of(1);
}

RopeScaling read_rope_scaling(const json& values, const std::string& file,
                              const ModelConfig& c) {
  RopeScaling out;
  if (values.is_null()) return out;
  const std::string where = file + ": rope_scaling";
  if (!values.is_object()) throw Error("{} is not an object", where);
  const JsonObject read(values, where);
  // The first files with a rope_scaling had a factor alone.
  const std::string unnamed = read.has("factor") ? "linear" : "default";
  out.rope_type = read.text_or("rope_type", read.text_or("type", unnamed));
  if (out.rope_type == "default") return out;
  constexpr auto kTypes =
      std::to_array<std::string_view>({"linear", "dynamic", "llama3", "yarn"});
  if (!among(kTypes, out.rope_type))
    throw Error("{}: type {} is not supported", where,
                out.rope_type.substr(0, 60));
  refuse_unknown(values, where, kRopeKeys);
  read.only_values("partial_rotary_factor", {"1"});
  const double original = read.positive("original_max_position_embeddings",
                                        c.max_position_embeddings);
  out.original_max_position_embeddings = original;
  out.factor =
      out.rope_type == "yarn"
          ? read.positive("factor", c.max_position_embeddings / original)
          : read.positive("factor");
  if (out.rope_type == "llama3") {
    out.low_freq_factor = read.positive("low_freq_factor");
    out.high_freq_factor = read.positive("high_freq_factor");
    read.positive("original_max_position_embeddings");
    if (out.high_freq_factor <= out.low_freq_factor)
      throw Error("{}: high_freq_factor is not above low_freq_factor", where);
  }
  if (out.rope_type == "yarn") {
    out.beta_fast = read.positive("beta_fast", 32);
    out.beta_slow = read.positive("beta_slow", 1);
    out.attention_factor = read.positive(
        "attention_factor", yarn_attention_factor(read, out.factor));
    out.truncate = read.flag("truncate", true);
  }
  return out;
}

std::vector<LayerType> read_layer_types(const JsonObject& read,
                                        const ModelConfig& c) {
  std::vector<LayerType> out;
  if (read.has("layer_types")) {
    if (!read.value("layer_types").is_array())
      throw Error("{}: layer_types is not a list", read.where());
    for (const json& type : read.value("layer_types")) {
      if (type != "full_attention" && type != "sliding_attention")
        throw Error("{}: layer_types holds {}, which is not supported",
                    read.where(), type.dump().substr(0, 60));
      out.push_back(type == "full_attention" ? LayerType::full_attention
                                             : LayerType::sliding_attention);
    }
    return out;
  }
  if (c.sliding_window == 0) return out;
  const char* key = read.has("_sliding_window_pattern")
                        ? "_sliding_window_pattern"
                        : "sliding_window_pattern";
  const bool counted = read.has(key) && read.value(key) != 0;
  const int32_t pattern = counted ? count(read, key) : 0;
  const int32_t first =
      read.has("max_window_layers") && read.value("max_window_layers") != 0
          ? count(read, "max_window_layers")
          : 0;
  for (int32_t l = 0; l < c.num_hidden_layers; ++l)
    out.push_back(l >= first && (pattern == 0 || (l + 1) % pattern != 0)
                      ? LayerType::sliding_attention
                      : LayerType::full_attention);
  return out;
}

Activation read_activation(const JsonObject& read, const Family& family) {
  // Gemma 1 was published with hidden_act "gelu" where it means the tanh form.
  const bool gemma = family.norm_plus_one;
  const std::string name = gemma ? read.text_or("hidden_activation", "")
                                 : read.text_or("hidden_act", "silu");
  const std::string built = gemma ? "gelu_pytorch_tanh" : "silu";
  if (!(name == built || (gemma && name.empty())))
    throw Error("{}: {} = {} is not supported (only {})", read.where(),
                gemma ? "hidden_activation" : "hidden_act", name.substr(0, 60),
                built);
  if (gemma && read.text_or("hidden_act", "gelu") != "gelu")
    read.only_values("hidden_act", {R"("gelu_pytorch_tanh")"});
  return gemma ? Activation::gelu_tanh : Activation::silu;
}

}  // namespace

ModelConfig ModelConfig::load(const std::filesystem::path& directory) {
  const auto path = directory / "config.json";
  return from_json(read_json(path, kMaxConfigBytes), path.string());
}

ModelConfig ModelConfig::from_json(const json& whole,
                                   const std::string& where) {
  if (!whole.is_object()) throw Error("{}: not a JSON object", where);
  const json names = whole.value("architectures", json());
  const bool one =
      names.is_array() && names.size() == 1 && names[0].is_string();
  const bool pictures = one && names[0] == kPictureModel;
  const Family* family = pictures ? find_family("Gemma3ForCausalLM")
                         : one    ? find_family(names[0].get<std::string>())
                                  : nullptr;
  if (family == nullptr)
    throw Error("{}: architectures {} is not supported (only {})", where,
                names.dump().substr(0, 120), family_names());
  json values = family->defaults();
  values.update(pictures ? text_part(whole, where) : whole);
  unfold_rope_parameters(values, where);
  refuse_unknown(values, where, kReadKeys);

  const JsonObject read(values, where);
  for (const char* key :
       {"attention_bias", "mlp_bias", "use_bidirectional_attention"})
    read.only_values(key, {"false"});
  read.only_values("partial_rotary_factor", {"1"});
  read.only_values("quantization_config", {});

  ModelConfig c;
  c.architecture = family->architecture;
  c.qkv_bias = family->qkv_bias;
  c.qk_norm = family->qk_norm;
  c.branch_norms = family->branch_norms;
  c.norm_plus_one = family->norm_plus_one;
  c.scale_embeddings = family->scale_embeddings;
  c.hidden_act = read_activation(read, *family);
  c.vocab_size = count(read, "vocab_size");
  c.hidden_size = count(read, "hidden_size");
  c.intermediate_size = count(read, "intermediate_size");
  c.num_hidden_layers = count(read, "num_hidden_layers");
  c.num_attention_heads = count(read, "num_attention_heads");
  c.num_key_value_heads =
      count(read, "num_key_value_heads", c.num_attention_heads);
  c.head_dim = count(read, "head_dim",
                     std::max(1, c.hidden_size / c.num_attention_heads));
  c.max_position_embeddings = count(read, "max_position_embeddings");
  c.rms_norm_eps = read.positive("rms_norm_eps", 1e-6);
  c.rope_theta = read.positive("rope_theta", 10000);
  c.rope_local_base_freq = read.positive("rope_local_base_freq", 0);
  if (read.has("rope_scaling"))
    c.rope_scaling = read_rope_scaling(read.value("rope_scaling"), where, c);
  c.query_pre_attn_scalar = read.positive("query_pre_attn_scalar", 0);
  c.attn_logit_softcapping = read.positive("attn_logit_softcapping", 0);
  c.final_logit_softcapping = read.positive("final_logit_softcapping", 0);
  c.sliding_window = family->defaults().contains("sliding_window") &&
                             read.flag("use_sliding_window", true)
                         ? count(read, "sliding_window", 0)
                         : 0;
  // Gemma 2 says it twice.
  if (read.has("sliding_window_size") &&
      read.value("sliding_window_size") != read.value("sliding_window"))
    throw Error("{}: sliding_window_size is {} and sliding_window {}", where,
                read.value("sliding_window_size").dump(),
                read.value("sliding_window").dump());
  c.initializer_range = read.positive("initializer_range", 0.02);
  c.tie_word_embeddings = read.flag("tie_word_embeddings", false);
  const auto bos = read.token_ids("bos_token_id");
  c.bos_token_id = bos.empty() ? -1 : bos[0];
  c.eos_token_id = read.token_ids("eos_token_id");
  // Before the layers are counted out.
  if (c.num_hidden_layers <= 1024) c.layer_types = read_layer_types(read, c);
  c.check(where);
  return c;
}

}  // namespace seodang
