#include "model/config.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "formats/json.h"

namespace seodang {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxConfigBytes = 1 << 20;

// Reads keys of config.json one by one; every complaint names the key.
class Reader {
 public:
  Reader(std::string where, const nlohmann::json& json)
      : where_(std::move(where)), json_(json) {}

  int32_t count(const char* key, int64_t fallback = -1) const {
    if (!present(key)) {
      if (fallback < 0) throw Error("{}: {} is missing", where_, key);
      return static_cast<int32_t>(fallback);
    }
    const nlohmann::json& value = json_[key];
    if (!value.is_number_integer() || value.get<int64_t>() <= 0 ||
        value.get<int64_t>() > std::numeric_limits<int32_t>::max())
      throw Error("{}: {} is {}, not a count", where_, key, value.dump());
    return value.get<int32_t>();
  }
  double number(const char* key, double fallback) const {
    if (!present(key)) return fallback;
    if (!json_[key].is_number() || !(json_[key].get<double>() > 0))
      throw Error("{}: {} is {}, not a positive number", where_, key,
                  json_[key].dump());
    return json_[key];
  }
  bool flag(const char* key, bool fallback) const {
    if (!present(key)) return fallback;
    if (!json_[key].is_boolean())
      throw Error("{}: {} is not true or false", where_, key);
    return json_[key];
  }
  std::vector<int32_t> tokens(const char* key) const {
    std::vector<int32_t> out;
    if (!present(key)) return out;
    const nlohmann::json list = json_[key].is_array()
                                    ? json_[key]
                                    : nlohmann::json::array({json_[key]});
    for (const nlohmann::json& id : list) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
          id.get<int64_t>() > std::numeric_limits<int32_t>::max())
        throw Error("{}: {} holds {}, not a token id", where_, key, id.dump());
      out.push_back(id);
    }
    return out;
  }
  // A key that would change the maths unless it has the value built here.
  void only(const char* key, const nlohmann::json& value) const {
    if (present(key) && json_[key] != value)
      throw Error("{}: {} = {} is not supported (only {})", where_, key,
                  json_[key].dump(), value.dump());
  }
  bool present(const char* key) const {
    return json_.contains(key) && !json_[key].is_null();
  }

 private:
  std::string where_;
  const nlohmann::json& json_;
};

}  // namespace

ModelConfig ModelConfig::load(const std::filesystem::path& directory) {
  const auto path = directory / "config.json";
  return parse(read_file(path, kMaxConfigBytes), path.string());
}

ModelConfig ModelConfig::parse(std::string_view text,
                               const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  if (!json.is_object()) throw Error("{}: not a JSON object", where);
  const Reader read(where, json);
  const nlohmann::json expected = nlohmann::json::array({"LlamaForCausalLM"});
  if (!read.present("architectures") || json["architectures"] != expected)
    throw Error("{}: architectures {} is not supported (only {})", where,
                json.value("architectures", nlohmann::json()).dump(),
                expected.dump());
  read.only("hidden_act", "silu");
  read.only("attention_bias", false);
  read.only("mlp_bias", false);
  read.only("rope_scaling", nullptr);
  read.only("quantization_config", nullptr);

  ModelConfig c;
  c.vocab_size = read.count("vocab_size");
  c.hidden_size = read.count("hidden_size");
  c.intermediate_size = read.count("intermediate_size");
  c.num_hidden_layers = read.count("num_hidden_layers");
  c.num_attention_heads = read.count("num_attention_heads");
  c.num_key_value_heads =
      read.count("num_key_value_heads", c.num_attention_heads);
  c.head_dim = read.count("head_dim",
                          std::max(1, c.hidden_size / c.num_attention_heads));
  c.max_position_embeddings = read.count("max_position_embeddings", 2048);
  c.rms_norm_eps = read.number("rms_norm_eps", 1e-6);
  c.rope_theta = read.number("rope_theta", 10000);
  c.initializer_range = read.number("initializer_range", 0.02);
  c.tie_word_embeddings = read.flag("tie_word_embeddings", false);
  const auto bos = read.tokens("bos_token_id");
  c.bos_token_id = bos.empty() ? -1 : bos[0];
  c.eos_token_id = read.tokens("eos_token_id");
  c.check(where);
  return c;
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
  for (const int32_t id : eos_token_id)
    need(id < vocab_size, "eos_token_id is outside the vocabulary");
  need(bos_token_id < vocab_size, "bos_token_id is outside the vocabulary");
}

std::string ModelConfig::to_json() const {
  Json json;
  json["architectures"] = {architecture};
  json["model_type"] = "llama";
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
  json["rope_scaling"] = nullptr;
  json["hidden_act"] = "silu";
  json["attention_bias"] = false;
  json["mlp_bias"] = false;
  json["initializer_range"] = initializer_range;
  json["tie_word_embeddings"] = tie_word_embeddings;
  if (bos_token_id >= 0) json["bos_token_id"] = bos_token_id;
  if (eos_token_id.size() == 1)
    json["eos_token_id"] = eos_token_id[0];
  else if (!eos_token_id.empty())
    json["eos_token_id"] = eos_token_id;
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
  return num_product_parameters() + embedding +
         hidden * (2 * int64_t{num_hidden_layers} + 1);
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
      {"demo", 256, 704, 4, 8, 4, 512},
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
