// Names, rows and numbers of the two spellings.
#include "model/gguf_mapping.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numbers>

#include "error_of.h"

namespace seodang {
namespace {

using nlohmann::json;

json llama_config() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", 1000},
          {"hidden_size", 2048},
          {"intermediate_size", 8192},
          {"num_hidden_layers", 16},
          {"num_attention_heads", 32},
          {"num_key_value_heads", 8},
          {"head_dim", 64},
          {"max_position_embeddings", 131072},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"hidden_act", "silu"},
          {"tie_word_embeddings", true},
          {"rope_scaling",
           {{"rope_type", "llama3"},
            {"factor", 32.0},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", 8192}}}};
}

const Family& family(const char* architecture) {
  return family_of(architecture);
}

// gguf-py/gguf/tensor_mapping.py, the first name of each entry.
TEST(GgufMapping, TensorNames) {
  const auto both = [](const char* architecture, const char* hf,
                       const char* gguf) {
    EXPECT_EQ(gguf_tensor_name(family(architecture), hf), gguf);
    EXPECT_EQ(hf_tensor_name(family(architecture), gguf), hf);
  };
  const char* llama = "LlamaForCausalLM";
  both(llama, "model.embed_tokens.weight", "token_embd.weight");
  both(llama, "model.norm.weight", "output_norm.weight");
  both(llama, "lm_head.weight", "output.weight");
  both(llama, "model.layers.11.self_attn.q_proj.weight",
       "blk.11.attn_q.weight");
  both(llama, "model.layers.0.self_attn.o_proj.weight",
       "blk.0.attn_output.weight");
  both(llama, "model.layers.0.input_layernorm.weight",
       "blk.0.attn_norm.weight");
  both(llama, "model.layers.0.post_attention_layernorm.weight",
       "blk.0.ffn_norm.weight");
  both(llama, "model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight");
  both("Qwen2ForCausalLM", "model.layers.3.self_attn.k_proj.bias",
       "blk.3.attn_k.bias");
  both("Qwen3ForCausalLM", "model.layers.3.self_attn.q_norm.weight",
       "blk.3.attn_q_norm.weight");
  both("Gemma2ForCausalLM", "model.layers.3.post_attention_layernorm.weight",
       "blk.3.post_attention_norm.weight");
  both("Gemma3ForCausalLM", "model.layers.3.pre_feedforward_layernorm.weight",
       "blk.3.ffn_norm.weight");
  for (const char* name :
       {"", ".", "blk", "model.layers.", "model.layers.0", "model.layers.0.x",
        "model.layers.0.x.weight", "model.norm", "model.norm.scale"}) {
    EXPECT_EQ(gguf_tensor_name(family(llama), name), "") << name;
    EXPECT_EQ(hf_tensor_name(family(llama), name), "") << name;
  }
}

TEST(GgufMapping, FamiliesAreRefusedByName) {
  EXPECT_NE(error_of([] { family("MambaForCausalLM"); }).find("Mamba"),
            std::string::npos);
}

// reshape(heads, 2, head_dim/2).swapaxes(1, 2) of the specification.
TEST(GgufMapping, RowsOfHeads) {
  const int64_t expected[] = {0, 4,  1, 5,  2,  6,  3,  7,
                              8, 12, 9, 13, 10, 14, 11, 15};
  for (int64_t r = 0; r < 16; ++r) {
    EXPECT_EQ(hf_row_of_gguf(r, 8), expected[r]);
    EXPECT_EQ(gguf_row_of_hf(expected[r], 8), r);
  }
  const auto config = ModelConfig::from_json(llama_config(), "config.json");
  const Family& llama = family("LlamaForCausalLM");
  EXPECT_EQ(
      reordered_heads(llama, "model.layers.0.self_attn.q_proj.weight", config),
      32);
  EXPECT_EQ(
      reordered_heads(llama, "model.layers.0.self_attn.k_proj.weight", config),
      8);
  EXPECT_EQ(
      reordered_heads(llama, "model.layers.0.self_attn.v_proj.weight", config),
      0);
  EXPECT_EQ(reordered_heads(family("Qwen3ForCausalLM"),
                            "model.layers.0.self_attn.q_proj.weight", config),
            0);
}

// Hugging Face scales the frequencies: 1/factor of those below the low limit,
// all of those above the high one, and a mixture between.
TEST(GgufMapping, Llama3RopeScaling) {
  const auto factors =
      rope_factors(ModelConfig::from_json(llama_config(), "config.json"));
  ASSERT_EQ(factors.size(), 32u);
  for (int i = 0; i < 32; ++i) {
    const double frequency = std::pow(500000.0, -i / 32.0);
    const double wavelength = 2 * std::numbers::pi / frequency;
    double scaled = frequency;
    if (wavelength > 8192.0 / 1) {
      scaled = frequency / 32;
    } else if (wavelength >= 8192.0 / 4) {
      const double smooth = (8192 / wavelength - 1) / (4 - 1);
      scaled = (1 - smooth) * frequency / 32 + smooth * frequency;
    }
    EXPECT_NEAR(
        frequency / static_cast<double>(factors[static_cast<size_t>(i)]),
        scaled, 1e-6 * scaled)
        << i;
  }
}

TEST(GgufMapping, ConfigSurvivesBothWays) {
  json config = llama_config();
  const auto path =
      std::filesystem::path(testing::TempDir()) / "seodang_mapping.gguf";
  GgufMetadata metadata = metadata_of(config, "config.json", "a model");
  metadata.emplace_back("tokenizer.ggml.bos_token_id", GgufValue::u32(5));
  metadata.emplace_back("tokenizer.ggml.eos_token_id", GgufValue::u32(7));
  metadata.emplace_back("tokenizer.ggml.eot_token_id", GgufValue::u32(9));
  const auto factors =
      rope_factors(ModelConfig::from_json(config, "config.json"));
  GgufWriter writer(path, metadata, {{kRopeFactors, Dtype::f32, {32}}});
  writer.write(std::as_bytes(std::span(factors)));
  writer.commit();

  config["bos_token_id"] = 5;
  config["eos_token_id"] = {7, 9};
  EXPECT_EQ(config_of(GgufFile(path)), config);

  EXPECT_EQ(metadata.end(),
            std::find_if(metadata.begin(), metadata.end(), [](const auto& key) {
              return key.first == "llama.attention.sliding_window";
            }));

  config["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 4.0}};
  EXPECT_NE(error_of([&] {
              metadata_of(config, "config.json", "");
            }).find("rope_scaling \"dynamic\""),
            std::string::npos);
}

// The configuration of a file with these keys and no others.
json config_with(const GgufMetadata& metadata) {
  const auto path =
      std::filesystem::path(testing::TempDir()) / "seodang_keys.gguf";
  GgufWriter(path, metadata, {}).commit();
  return config_of(GgufFile(path));
}

// llama.cpp, llama-model.cpp: the type is linear where none is named, and the
// factor has an older name; a factor of 0 is none.
TEST(GgufMapping, LinearScalingInItsSpellings) {
  json config = llama_config();
  config.erase("rope_scaling");
  const GgufMetadata plain = metadata_of(config, "config.json", "a model");
  const auto scaling = [&](const GgufMetadata& more) {
    GgufMetadata all = plain;
    all.insert(all.end(), more.begin(), more.end());
    return config_with(all)["rope_scaling"];
  };
  const json linear = {{"rope_type", "linear"}, {"factor", 4.0}};
  const auto type = [](const char* name) {
    return std::pair{std::string("llama.rope.scaling.type"),
                     GgufValue::string(name)};
  };
  const auto factor = [](const char* key, double value) {
    return std::pair{std::string("llama.rope.") + key, GgufValue::f32(value)};
  };
  EXPECT_EQ(scaling({}), json());
  EXPECT_EQ(scaling({type("linear"), factor("scaling.factor", 4)}), linear);
  EXPECT_EQ(scaling({factor("scaling.factor", 4)}), linear);
  EXPECT_EQ(scaling({factor("scale_linear", 4)}), linear);
  EXPECT_EQ(scaling({factor("scale_linear", 0)}), json());
  EXPECT_EQ(scaling({factor("scale_linear", 1)}), json());
  EXPECT_EQ(scaling({type("none"), factor("scaling.factor", 4)}), json());
  config["rope_scaling"] = {{"factor", 4.0}};
  EXPECT_EQ(
      ModelConfig::from_json(config, "config.json").rope_scaling.rope_type,
      "linear");
}

TEST(GgufMapping, MistralsWindow) {
  json config = llama_config();
  config.erase("rope_scaling");
  config["architectures"] = {"MistralForCausalLM"};
  config["model_type"] = "mistral";
  for (const json& window : {json(4096), json()}) {
    config["sliding_window"] = window;
    const auto before = ModelConfig::from_json(config, "config.json");
    const json back = config_with(
        metadata_of(json::parse(before.to_json()), "config.json", "a model"));
    const auto after = ModelConfig::from_json(back, "model.gguf");
    EXPECT_EQ(after.sliding_window, before.sliding_window);
    EXPECT_EQ(after.layer_types, before.layer_types);
    EXPECT_EQ(after.architecture,
              window.is_null() ? "LlamaForCausalLM" : "MistralForCausalLM");
  }
}

// Absent keys have the format's defaults, not the family's.
TEST(GgufMapping, AsManyKeyValueHeadsAsHeadsUnlessItSays) {
  json config = llama_config();
  config.erase("rope_scaling");
  config["architectures"] = {"Qwen2ForCausalLM"};
  GgufMetadata metadata = metadata_of(config, "config.json", "a model");
  std::erase_if(metadata, [](const auto& entry) {
    return entry.first == "qwen2.attention.head_count_kv";
  });
  EXPECT_EQ(config_with(metadata)["num_key_value_heads"], 32);
}

}  // namespace
}  // namespace seodang
