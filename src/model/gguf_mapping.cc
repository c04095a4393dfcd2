#include "model/gguf_mapping.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "model/rope_frequencies.h"

namespace seodang {
namespace {

using nlohmann::json;

struct Names {
  std::string_view hf, gguf;
};
constexpr std::array<Names, 3> kModelTensors = {{
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
}};
constexpr std::array<Names, 10> kLayerTensors = {{
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
}};
constexpr std::array<Names, 1> kNormsBefore = {{
    {"post_attention_layernorm", "ffn_norm"},
}};
constexpr std::array<Names, 3> kNormsAround = {{
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
}};

constexpr std::string_view kHfLayers = "model.layers.", kGgufLayers = "blk.";

struct Key {
  const char* hf;
  const char* gguf;  // behind "ARCHITECTURE."
  bool required;
};
constexpr std::array<Key, 9> kCounts = {{
    {"vocab_size", "vocab_size", false},
    {"hidden_size", "embedding_length", true},
    {"intermediate_size", "feed_forward_length", true},
    {"num_hidden_layers", "block_count", true},
    {"num_attention_heads", "attention.head_count", true},
    {"num_key_value_heads", "attention.head_count_kv", false},
    {"head_dim", "attention.key_length", false},
    {"max_position_embeddings", "context_length", true},
    {"sliding_window", "attention.sliding_window", false},
}};
constexpr std::array<Key, 4> kNumbers = {{
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", true},
    {"rope_theta", "rope.freq_base", false},
    {"attn_logit_softcapping", "attn_logit_softcapping", false},
    {"final_logit_softcapping", "final_logit_softcapping", false},
}};

// Of one of two name lists the partner in the other.
template <size_t kCount>
std::string_view partner(const std::array<Names, kCount>& names,
                         std::string_view name, bool to_gguf) {
  for (const Names& n : names)
    if (name == (to_gguf ? n.hf : n.gguf)) return to_gguf ? n.gguf : n.hf;
  return {};
}

std::string translated(const Family& family, std::string_view name,
                       bool to_gguf) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return "";
  const std::string_view end = name.substr(dot);  // ".weight", ".bias"
  if (end != ".weight" && end != ".bias") return "";
  name = name.substr(0, dot);
  const std::string_view layers = to_gguf ? kHfLayers : kGgufLayers;
  if (!name.starts_with(layers)) {
    const std::string_view other = partner(kModelTensors, name, to_gguf);
    return other.empty() ? "" : std::string(other) + std::string(end);
  }
  name.remove_prefix(layers.size());
  const size_t number = name.find('.');
  if (number == name.npos) return "";
  const std::string_view part = name.substr(number + 1);
  std::string_view other = partner(kLayerTensors, part, to_gguf);
  if (other.empty())
    other = family.branch_norms ? partner(kNormsAround, part, to_gguf)
                                : partner(kNormsBefore, part, to_gguf);
  if (other.empty()) return "";
  return fmt::format("{}{}.{}{}", to_gguf ? kGgufLayers : kHfLayers,
                     name.substr(0, number), other, end);
}

// The shortest decimal that is this float: 1e-5 and not 9.99999974e-06.
double plain(double value) {
  return std::stod(fmt::format("{}", static_cast<float>(value)));
}

int64_t count_of(const json& config, const char* key, int64_t fallback = 0) {
  const auto found = config.find(key);
  return found != config.end() && found->is_number_integer()
             ? found->get<int64_t>()
             : fallback;
}

double number_of(const json& config, const char* key, double fallback) {
  const auto found = config.find(key);
  return found != config.end() && found->is_number() ? found->get<double>()
                                                     : fallback;
}

int64_t head_dim_of(const json& config) {
  const int64_t heads = count_of(config, "num_attention_heads");
  return count_of(config, "head_dim",
                  heads > 0 ? count_of(config, "hidden_size") / heads : 0);
}

// rope_scaling behind the divisors: the published ones differ in the factor.
json scaling_of(const GgufFile& file, const json& config) {
  const auto found = file.tensors().find(kRopeFactors);
  if (found == file.tensors().end()) return nullptr;
  const int64_t head_dim = head_dim_of(config);
  const Tensor stored = file.tensor(kRopeFactors, {head_dim / 2});
  if (stored.dtype != Dtype::f32)
    throw Error("{}: tensor {} is not F32", file.path().string(), kRopeFactors);
  const float* values = stored.row<float>(0);
  const double factor = *std::max_element(values, values + stored.cols);
  ModelConfig candidate;
  candidate.head_dim = static_cast<int32_t>(head_dim);
  candidate.rope_theta = number_of(config, "rope_theta", 10000);
  candidate.rope_scaling.rope_type = "llama3";
  candidate.rope_scaling.factor = factor;
  candidate.rope_scaling.original_max_position_embeddings = 8192;
  const auto expected = rope_factors(candidate);
  for (int64_t i = 0; i < stored.cols; ++i)
    if (!(std::abs(values[i] - expected[static_cast<size_t>(i)]) <=
          1e-4f * expected[static_cast<size_t>(i)]))
      throw Error("{}: tensor {} is not Llama 3's rope_scaling",
                  file.path().string(), kRopeFactors);
  return {{"rope_type", "llama3"},
          {"factor", plain(factor)},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", 8192}};
}

// What GGUF has no key for: readers take it from the size (llama.cpp,
// llama-model.cpp; the largest Gemma 2 and 3 have 46 and 62 layers).
double implied_query_scalar(const json& config) {
  const int64_t layers = count_of(config, "num_hidden_layers");
  const int64_t heads = count_of(config, "num_attention_heads");
  if ((layers == 46 || layers == 62) && heads > 0)
    return static_cast<double>(count_of(config, "hidden_size")) /
           static_cast<double>(heads);
  return static_cast<double>(head_dim_of(config));
}

// Values that GGUF's readers know by the family alone; another one would be
// run wrongly.
void refuse_unspoken(const Family& family, const json& config,
                     const std::string& where) {
  const auto need = [&](bool fits, const char* key) {
    if (!fits)
      throw Error("{}: {} of {} has no GGUF form", where, key,
                  family.gguf_name);
  };
  const json types = config.value("layer_types", json::array());
  const json defaults = family.defaults();
  const auto pattern =
      static_cast<size_t>(count_of(defaults, "sliding_window_pattern"));
  // A pattern of 0: each layer has the window, if there is one.
  const bool slides = defaults.contains("sliding_window_pattern") &&
                      count_of(config, "sliding_window") > 0;
  for (size_t l = 0; l < types.size(); ++l)
    need((types[l] == "sliding_attention") ==
             (slides && (pattern == 0 || (l + 1) % pattern != 0)),
         "layer_types");
  if (!family.branch_norms) return;
  need(number_of(config, "query_pre_attn_scalar", 0) ==
           implied_query_scalar(config),
       "query_pre_attn_scalar");
  need(family.gguf_name != "gemma3" ||
           number_of(config, "rope_local_base_freq", 0) == 10000,
       "rope_local_base_freq");
}

// Token ids that end a text: ours has them all, others one for each purpose.
std::vector<int64_t> eos_of(const GgufFile& file) {
  std::vector<int64_t> out = file.integers("seodang.eos_token_ids");
  if (!out.empty()) return out;
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.eom_token_id"}) {
    const int64_t id = file.integer(key, -1);
    if (id >= 0 && std::find(out.begin(), out.end(), id) == out.end())
      out.push_back(id);
  }
  return out;
}

}  // namespace

const Family& gguf_family_of(const GgufFile& file) {
  const std::string name = file.text("general.architecture");
  // Llama and Mistral share a name, and differ in Mistral's window.
  const bool slides =
      file.integer(fmt::format("{}.attention.sliding_window", name), 0) > 0;
  const Family* found = nullptr;
  for (const Family& family : families())
    if (name == family.gguf_name &&
        (found == nullptr ||
         (slides && family.defaults().contains("sliding_window"))))
      found = &family;
  if (found != nullptr) return *found;
  throw Error("{}: general.architecture {} is not supported",
              file.path().string(), quoted(name));
}

std::string gguf_tensor_name(const Family& family, std::string_view name) {
  return translated(family, name, true);
}

std::string hf_tensor_name(const Family& family, std::string_view name) {
  return translated(family, name, false);
}

int64_t reordered_heads(const Family& family, std::string_view name,
                        const ModelConfig& config) {
  if (!family.gguf_rotates_neighbours) return 0;
  if (name.find("self_attn.q_proj.") != name.npos)
    return config.num_attention_heads;
  if (name.find("self_attn.k_proj.") != name.npos)
    return config.num_key_value_heads;
  return 0;
}

int64_t hf_row_of_gguf(int64_t row, int64_t head_dim) {
  const int64_t at = row % head_dim;
  return row - at + at % 2 * (head_dim / 2) + at / 2;
}

int64_t gguf_row_of_hf(int64_t row, int64_t head_dim) {
  const int64_t at = row % head_dim, half = head_dim / 2;
  return row - at + at % half * 2 + at / half;
}

float gguf_shift(const Family& family, std::string_view name) {
  return family.norm_plus_one && name.ends_with("norm.weight") ? 1.0f : 0.0f;
}

json config_of(const GgufFile& file) {
  const Family& family = gguf_family_of(file);
  const auto key = [&](const Key& k) {
    return fmt::format("{}.{}", family.gguf_name, k.gguf);
  };
  json config;
  config["architectures"] = {family.architecture};
  config["model_type"] = family.model_type;
  for (const Key& k : kCounts)
    if (k.required || file.find(key(k)) != nullptr)
      config[k.hf] = file.integer(key(k));
  for (const Key& k : kNumbers)
    if (k.required || file.find(key(k)) != nullptr)
      config[k.hf] = plain(file.real(key(k)));
  if (!config.contains("num_key_value_heads"))
    config["num_key_value_heads"] = config["num_attention_heads"];
  if (!config.contains("vocab_size"))
    config["vocab_size"] = file.texts("tokenizer.ggml.tokens").size();
  const json defaults = family.defaults();
  for (const char* name : {"hidden_act", "hidden_activation"})
    if (defaults.contains(name)) config[name] = defaults[name];
  config["tie_word_embeddings"] = !file.tensors().contains("output.weight");
  config["rope_scaling"] = scaling_of(file, config);
  const auto scaling_key = [&](const char* name) {
    return fmt::format("{}.rope.scaling.{}", family.gguf_name, name);
  };
  // The first files had only a factor, under another name (llama.cpp,
  // llama-model.cpp); 0 stands for none.
  const double factor = file.real(
      scaling_key("factor"),
      file.real(fmt::format("{}.rope.scale_linear", family.gguf_name), 0));
  const std::string type = file.text(scaling_key("type"), "linear");
  if ((type == "linear" && factor != 0 && factor != 1) || type == "yarn") {
    json scaling = {{"rope_type", type}, {"factor", plain(factor)}};
    if (type == "yarn")
      scaling["original_max_position_embeddings"] =
          file.integer(scaling_key("original_context_length"));
    config["rope_scaling"] = scaling;
  } else if (type != "linear" && type != "none" && !type.empty()) {
    throw Error("{}: rope scaling {} is not supported", file.path().string(),
                quoted(type));
  }
  if (family.branch_norms)
    config["query_pre_attn_scalar"] = implied_query_scalar(config);
  const int64_t rotated =
      file.integer(fmt::format("{}.rope.dimension_count", family.gguf_name),
                   head_dim_of(config));
  if (rotated != head_dim_of(config))
    throw Error(
        "{}: {} of {} dimensions of a head rotate, which is not "
        "supported",
        file.path().string(), rotated, head_dim_of(config));
  if (const int64_t bos = file.integer("tokenizer.ggml.bos_token_id", -1);
      bos >= 0)
    config["bos_token_id"] = bos;
  if (const auto eos = eos_of(file); eos.size() == 1)
    config["eos_token_id"] = eos[0];
  else if (!eos.empty())
    config["eos_token_id"] = eos;
  return config;
}

GgufMetadata metadata_of(const json& config, const std::string& where,
                         const std::string& name) {
  const Family& family =
      family_of(config.at("architectures").at(0).get<std::string>());
  const std::string prefix = std::string(family.gguf_name) + ".";
  GgufMetadata out;
  out.emplace_back("general.architecture",
                   GgufValue::string(std::string(family.gguf_name)));
  out.emplace_back("general.type", GgufValue::string("model"));
  out.emplace_back("general.name", GgufValue::string(name));
  const auto missing = [&](const Key& k) {
    if (k.required) throw Error("{}: {} is missing", where, k.hf);
  };
  json complete = config;
  complete["head_dim"] = head_dim_of(config);
  if (count_of(config, "num_key_value_heads") == 0)
    complete["num_key_value_heads"] = count_of(config, "num_attention_heads");
  for (const Key& k : kCounts) {
    const int64_t value = count_of(complete, k.hf);
    if (value <= 0 || value > UINT32_MAX) {
      missing(k);
      continue;
    }
    out.emplace_back(prefix + k.gguf,
                     GgufValue::u32(static_cast<uint32_t>(value)));
  }
  for (const Key& k : kNumbers) {
    const double value = number_of(complete, k.hf, -1);
    if (value < 0)
      missing(k);
    else
      out.emplace_back(prefix + k.gguf, GgufValue::f32(value));
  }
  const auto head_dim = static_cast<uint32_t>(head_dim_of(config));
  out.emplace_back(prefix + "attention.value_length", GgufValue::u32(head_dim));
  out.emplace_back(prefix + "rope.dimension_count", GgufValue::u32(head_dim));
  const json scaling = config.value("rope_scaling", json());
  if (const json type =
          scaling.is_object() ? scaling.value("rope_type", json()) : json();
      scaling.is_object() && type != "llama3") {
    if (type != "linear" && type != "yarn")
      throw Error("{}: rope_scaling {} has no GGUF form here", where,
                  type.dump());
    out.emplace_back(prefix + "rope.scaling.type",
                     GgufValue::string(type.get<std::string>()));
    out.emplace_back(prefix + "rope.scaling.factor",
                     GgufValue::f32(number_of(scaling, "factor", 1)));
    if (type == "yarn")
      out.emplace_back(prefix + "rope.scaling.original_context_length",
                       GgufValue::u32(static_cast<uint32_t>(number_of(
                           scaling, "original_max_position_embeddings", 0))));
  }
  refuse_unspoken(family, config, where);
  return out;
}

std::vector<float> rope_factors(const ModelConfig& config) {
  std::vector<float> out;
  if (config.rope_scaling.rope_type != "llama3") return out;
  ModelConfig plain = config;
  plain.rope_scaling = {};
  const auto scaled = rope_frequencies(config, LayerType::full_attention, 0);
  for (const double frequency :
       rope_frequencies(plain, LayerType::full_attention, 0))
    out.push_back(static_cast<float>(frequency / scaled[out.size()]));
  return out;
}

}  // namespace seodang
