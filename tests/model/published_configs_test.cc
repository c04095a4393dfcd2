// config.json of models as they are published (facts, retyped).
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "error_of.h"
#include "model/families.h"
#include "model/rope_frequencies.h"

namespace seodang {
namespace {

using Json = nlohmann::json;

ModelConfig read(const char* text) {
  return ModelConfig::from_json(Json::parse(text), "config.json");
}

// Published configurations of every family, as far as they bear on the maths.
TEST(PublishedConfigs, OneOfEveryFamily) {
  const ModelConfig llama = read(R"({
    "architectures": ["LlamaForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009], "head_dim": 64,
    "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
    "intermediate_size": 8192, "max_position_embeddings": 131072,
    "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 16, "num_key_value_heads": 8, "pretraining_tp": 1,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0,
      "high_freq_factor": 4.0, "low_freq_factor": 1.0,
      "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "transformers_version": "4.45.0.dev0",
    "use_cache": true, "vocab_size": 128256})");
  EXPECT_EQ(llama.num_parameters(), 1235814400);
  EXPECT_EQ(llama.context_length(), 131072);
  const auto frequencies =
      rope_frequencies(llama, LayerType::full_attention, 0);
  EXPECT_DOUBLE_EQ(frequencies[0], 1);
  EXPECT_DOUBLE_EQ(frequencies[31], std::pow(500000.0, -62.0 / 64) / 32);

  const ModelConfig gemma = read(R"({
    "architectures": ["Gemma3ForConditionalGeneration"],
    "boi_token_index": 255999, "eoi_token_index": 256000,
    "eos_token_id": [1, 106], "image_token_index": 262144,
    "initializer_range": 0.02, "mm_tokens_per_image": 256,
    "model_type": "gemma3", "text_config": {"hidden_size": 2560,
      "intermediate_size": 10240, "model_type": "gemma3_text",
      "num_hidden_layers": 34,
      "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
      "sliding_window": 1024},
    "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
    "vision_config": {"hidden_size": 1152}})");
  EXPECT_EQ(gemma.architecture, "Gemma3ForCausalLM");
  EXPECT_EQ(gemma.vocab_size, 262208);
  EXPECT_EQ(gemma.num_attention_heads, 8);
  EXPECT_EQ(gemma.num_key_value_heads, 4);
  EXPECT_EQ(gemma.head_dim, 256);
  EXPECT_EQ(gemma.context_length(), 131072);
  EXPECT_EQ(gemma.eos_token_id, (std::vector<int32_t>{1, 106}));
  EXPECT_TRUE(gemma.tie_word_embeddings);
  EXPECT_EQ(gemma.num_parameters(), 3880263168);
  for (int64_t l = 0; l < 34; ++l) EXPECT_EQ(gemma.slides(l), l % 6 != 5);

  const ModelConfig qwen = read(R"({
    "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
    "bos_token_id": 151643, "eos_token_id": 151645, "hidden_act": "silu",
    "hidden_size": 896, "initializer_range": 0.02, "intermediate_size": 4864,
    "max_position_embeddings": 32768, "max_window_layers": 21,
    "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 32768, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "transformers_version": "4.43.1",
    "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})");
  EXPECT_EQ(qwen.num_parameters(), 494032768);
  EXPECT_EQ(qwen.sliding_window, 0);

  const ModelConfig mistral = read(R"({
    "architectures": ["MistralForCausalLM"], "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
    "initializer_range": 0.02, "intermediate_size": 14336,
    "max_position_embeddings": 32768, "model_type": "mistral",
    "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
    "sliding_window": 4096, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0",
    "use_cache": true, "vocab_size": 32000})");
  EXPECT_EQ(mistral.num_parameters(), 7241732096);
  EXPECT_TRUE(mistral.slides(0) && mistral.slides(31));

  const ModelConfig llama2 = read(R"({
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
    "initializer_range": 0.02, "intermediate_size": 11008,
    "max_position_embeddings": 4096, "model_type": "llama",
    "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 32, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": null, "tie_word_embeddings": false,
    "torch_dtype": "float16", "transformers_version": "4.31.0.dev0",
    "use_cache": true, "vocab_size": 32000})");
  EXPECT_EQ(llama2.num_parameters(), 6738415616);
  EXPECT_EQ(llama2.rope_theta, 10000);

  const ModelConfig qwen3 = read(R"({
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
    "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
    "initializer_range": 0.02, "intermediate_size": 3072,
    "max_position_embeddings": 40960, "max_window_layers": 28,
    "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null,
    "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
    "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})");
  EXPECT_EQ(qwen3.num_parameters(), 596049920);
  EXPECT_TRUE(qwen3.qk_norm && !qwen3.qkv_bias);

  const ModelConfig gemma1 = read(R"({
    "architectures": ["GemmaForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 2, "eos_token_id": 1,
    "head_dim": 256, "hidden_act": "gelu", "hidden_size": 2048,
    "initializer_range": 0.02, "intermediate_size": 16384,
    "max_position_embeddings": 8192, "model_type": "gemma",
    "num_attention_heads": 8, "num_hidden_layers": 18,
    "num_key_value_heads": 1, "pad_token_id": 0, "rms_norm_eps": 1e-06,
    "rope_scaling": null, "rope_theta": 10000.0, "torch_dtype": "bfloat16",
    "transformers_version": "4.38.0.dev0", "use_cache": true,
    "vocab_size": 256000})");
  EXPECT_EQ(gemma1.num_parameters(), 2506172416);
  EXPECT_EQ(gemma1.hidden_act, Activation::gelu_tanh);  // as it was trained

  const ModelConfig gemma2 = read(R"({
    "architectures": ["Gemma2ForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "attn_logit_softcapping": 50.0,
    "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1,
    "final_logit_softcapping": 30.0, "head_dim": 256,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304,
    "initializer_range": 0.02, "intermediate_size": 9216,
    "max_position_embeddings": 8192, "model_type": "gemma2",
    "num_attention_heads": 8, "num_hidden_layers": 26,
    "num_key_value_heads": 4, "pad_token_id": 0, "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
    "torch_dtype": "float32", "transformers_version": "4.42.4",
    "use_cache": true, "vocab_size": 256000})");
  EXPECT_EQ(gemma2.num_parameters(), 2614341888);
  EXPECT_TRUE(gemma2.slides(0) && !gemma2.slides(1));

  std::set<std::string> read_families;
  for (const ModelConfig* config :
       {&llama, &gemma, &qwen, &mistral, &llama2, &qwen3, &gemma1, &gemma2})
    read_families.insert(config->architecture);
  for (const Family& family : families())
    EXPECT_TRUE(read_families.contains(std::string(family.architecture)))
        << family.architecture;
}

struct Published {
  const char* name;
  const char* config;
  int64_t parameters;  // as its page on the Hugging Face Hub counts them
};

// What people run on a laptop. The keys are those of the published files.
const Published kPublished[] = {
    {"SmolLM2-135M", R"({
       "architectures": ["LlamaForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 0,
       "hidden_act": "silu", "hidden_size": 576,
       "initializer_range": 0.041666666666666664, "intermediate_size": 1536,
       "is_llama_config": true, "max_position_embeddings": 8192,
       "mlp_bias": false, "model_type": "llama", "num_attention_heads": 9,
       "num_hidden_layers": 30, "num_key_value_heads": 3, "pretraining_tp": 1,
       "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
       "rope_theta": 100000, "tie_word_embeddings": true,
       "torch_dtype": "bfloat16", "transformers_version": "4.40.1",
       "use_cache": true, "vocab_size": 49152})",
     134515008},
    {"SmolLM2-360M-Instruct", R"({
       "architectures": ["LlamaForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
       "hidden_act": "silu", "hidden_size": 960, "initializer_range": 0.02,
       "intermediate_size": 2560, "is_llama_config": true,
       "max_position_embeddings": 8192, "mlp_bias": false,
       "model_type": "llama", "num_attention_heads": 15,
       "num_hidden_layers": 32, "num_key_value_heads": 5, "pad_token_id": 2,
       "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false,
       "rope_scaling": null, "rope_theta": 100000, "tie_word_embeddings": true,
       "torch_dtype": "bfloat16",
       "transformers.js_config": {"kv_cache_dtype": {"fp16": "float16"}},
       "transformers_version": "4.42.3", "use_cache": true,
       "vocab_size": 49152})",
     361821120},
    {"SmolLM2-1.7B", R"({
       "architectures": ["LlamaForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 0,
       "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 8192, "max_position_embeddings": 8192,
       "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
       "num_hidden_layers": 24, "num_key_value_heads": 32, "pad_token_id": 0,
       "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
       "rope_theta": 130000, "tie_word_embeddings": true,
       "torch_dtype": "bfloat16", "transformers_version": "4.40.1",
       "use_cache": true, "vocab_size": 49152})",
     1711376384},
    {"TinyLlama-1.1B-Chat", R"({
       "architectures": ["LlamaForCausalLM"], "attention_bias": false,
       "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
       "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 5632, "max_position_embeddings": 2048,
       "model_type": "llama", "num_attention_heads": 32,
       "num_hidden_layers": 22, "num_key_value_heads": 4, "pretraining_tp": 1,
       "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16",
       "transformers_version": "4.35.0", "use_cache": true,
       "vocab_size": 32000})",
     1100048384},
    {"Llama-3.2-3B-Instruct", R"({
       "architectures": ["LlamaForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 128000,
       "eos_token_id": [128001, 128008, 128009], "head_dim": 128,
       "hidden_act": "silu", "hidden_size": 3072, "initializer_range": 0.02,
       "intermediate_size": 8192, "max_position_embeddings": 131072,
       "mlp_bias": false, "model_type": "llama", "num_attention_heads": 24,
       "num_hidden_layers": 28, "num_key_value_heads": 8, "pretraining_tp": 1,
       "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0,
         "high_freq_factor": 4.0, "low_freq_factor": 1.0,
         "original_max_position_embeddings": 8192, "rope_type": "llama3"},
       "rope_theta": 500000.0, "tie_word_embeddings": true,
       "torch_dtype": "bfloat16", "transformers_version": "4.45.0.dev0",
       "use_cache": true, "vocab_size": 128256})",
     3212749824},
    {"Qwen2.5-1.5B", R"({
       "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
       "bos_token_id": 151643, "eos_token_id": 151643, "hidden_act": "silu",
       "hidden_size": 1536, "initializer_range": 0.02,
       "intermediate_size": 8960, "max_position_embeddings": 131072,
       "max_window_layers": 28, "model_type": "qwen2",
       "num_attention_heads": 12, "num_hidden_layers": 28,
       "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
       "rope_theta": 1000000.0, "sliding_window": 131072,
       "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "transformers_version": "4.40.1", "use_cache": true,
       "use_mrope": false, "use_sliding_window": false,
       "vocab_size": 151936})",
     1543714304},
    {"Qwen2.5-3B-Instruct", R"({
       "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
       "bos_token_id": 151643, "eos_token_id": 151645, "hidden_act": "silu",
       "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 11008, "max_position_embeddings": 32768,
       "max_window_layers": 70, "model_type": "qwen2",
       "num_attention_heads": 16, "num_hidden_layers": 36,
       "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
       "rope_theta": 1000000.0, "sliding_window": 32768,
       "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "transformers_version": "4.43.1", "use_cache": true,
       "use_sliding_window": false, "vocab_size": 151936})",
     3085938688},
    {"Qwen2.5-7B-Instruct", R"({
       "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
       "bos_token_id": 151643, "eos_token_id": 151645, "hidden_act": "silu",
       "hidden_size": 3584, "initializer_range": 0.02,
       "intermediate_size": 18944, "max_position_embeddings": 32768,
       "max_window_layers": 28, "model_type": "qwen2",
       "num_attention_heads": 28, "num_hidden_layers": 28,
       "num_key_value_heads": 4, "rms_norm_eps": 1e-06,
       "rope_theta": 1000000.0, "sliding_window": 131072,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16",
       "transformers_version": "4.43.1", "use_cache": true,
       "use_sliding_window": false, "vocab_size": 152064})",
     7615616512},
    {"Qwen3-1.7B", R"({
       "architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 151643,
       "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 6144, "max_position_embeddings": 40960,
       "max_window_layers": 28, "model_type": "qwen3",
       "num_attention_heads": 16, "num_hidden_layers": 28,
       "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null,
       "rope_theta": 1000000, "sliding_window": null,
       "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "transformers_version": "4.51.0", "use_cache": true,
       "use_sliding_window": false, "vocab_size": 151936})",
     1720574976},
    {"Qwen3-4B", R"({
       "architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 151643,
       "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 2560, "initializer_range": 0.02,
       "intermediate_size": 9728, "max_position_embeddings": 40960,
       "max_window_layers": 36, "model_type": "qwen3",
       "num_attention_heads": 32, "num_hidden_layers": 36,
       "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null,
       "rope_theta": 1000000, "sliding_window": null,
       "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "transformers_version": "4.51.0", "use_cache": true,
       "use_sliding_window": false, "vocab_size": 151936})",
     4022468096},
    {"Qwen3-8B", R"({
       "architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "bos_token_id": 151643,
       "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 4096, "initializer_range": 0.02,
       "intermediate_size": 12288, "max_position_embeddings": 40960,
       "max_window_layers": 36, "model_type": "qwen3",
       "num_attention_heads": 32, "num_hidden_layers": 36,
       "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null,
       "rope_theta": 1000000, "sliding_window": null,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16",
       "transformers_version": "4.51.0", "use_cache": true,
       "use_sliding_window": false, "vocab_size": 151936})",
     8190735360},
    {"gemma-3-270m", R"({
       "_sliding_window_pattern": 6, "architectures": ["Gemma3ForCausalLM"],
       "attention_bias": false, "attention_dropout": 0.0,
       "attn_logit_softcapping": null, "bos_token_id": 2, "eos_token_id": 1,
       "final_logit_softcapping": null, "head_dim": 256,
       "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 640,
       "initializer_range": 0.02, "intermediate_size": 2048,
       "layer_types": ["sliding_attention", "sliding_attention",
         "sliding_attention", "sliding_attention", "sliding_attention",
         "full_attention", "sliding_attention", "sliding_attention",
         "sliding_attention", "sliding_attention", "sliding_attention",
         "full_attention", "sliding_attention", "sliding_attention",
         "sliding_attention", "sliding_attention", "sliding_attention",
         "full_attention"],
       "max_position_embeddings": 32768, "model_type": "gemma3_text",
       "num_attention_heads": 4, "num_hidden_layers": 18,
       "num_key_value_heads": 1, "pad_token_id": 0,
       "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
       "rope_local_base_freq": 10000.0, "rope_scaling": null,
       "rope_theta": 1000000.0, "sliding_window": 512,
       "torch_dtype": "bfloat16", "transformers_version": "4.55.0.dev0",
       "use_bidirectional_attention": false, "use_cache": true,
       "vocab_size": 262144})",
     268098176},
    {"gemma-3-1b-it", R"({
       "architectures": ["Gemma3ForCausalLM"], "attention_bias": false,
       "attention_dropout": 0.0, "attn_logit_softcapping": null,
       "bos_token_id": 2, "cache_implementation": "hybrid",
       "eos_token_id": [1, 106], "final_logit_softcapping": null,
       "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
       "hidden_size": 1152, "initializer_range": 0.02,
       "intermediate_size": 6912, "max_position_embeddings": 32768,
       "model_type": "gemma3_text", "num_attention_heads": 4,
       "num_hidden_layers": 26, "num_key_value_heads": 1, "pad_token_id": 0,
       "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
       "rope_local_base_freq": 10000, "rope_scaling": null,
       "rope_theta": 1000000, "sliding_window": 512,
       "sliding_window_pattern": 6, "torch_dtype": "bfloat16",
       "transformers_version": "4.50.0.dev0", "use_cache": true,
       "vocab_size": 262144})",
     999885952},
    {"Mistral-7B-Instruct-v0.2", R"({
       "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0,
       "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
       "hidden_size": 4096, "initializer_range": 0.02,
       "intermediate_size": 14336, "max_position_embeddings": 32768,
       "model_type": "mistral", "num_attention_heads": 32,
       "num_hidden_layers": 32, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
       "sliding_window": null, "tie_word_embeddings": false,
       "torch_dtype": "bfloat16", "transformers_version": "4.36.0",
       "use_cache": true, "vocab_size": 32000})",
     7241732096},
    {"Mistral-7B-v0.3", R"({
       "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0,
       "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
       "hidden_size": 4096, "initializer_range": 0.02,
       "intermediate_size": 14336, "max_position_embeddings": 32768,
       "model_type": "mistral", "num_attention_heads": 32,
       "num_hidden_layers": 32, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
       "sliding_window": null, "tie_word_embeddings": false,
       "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0",
       "use_cache": true, "vocab_size": 32768})",
     7248023552},
    {"Mistral-Nemo-Base-2407", R"({
       "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0,
       "bos_token_id": 1, "eos_token_id": 2, "head_dim": 128,
       "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02,
       "intermediate_size": 14336, "max_position_embeddings": 131072,
       "model_type": "mistral", "num_attention_heads": 32,
       "num_hidden_layers": 40, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
       "sliding_window": null, "tie_word_embeddings": false,
       "torch_dtype": "bfloat16", "transformers_version": "4.43.0.dev0",
       "use_cache": true, "vocab_size": 131072})",
     12247782400},
};

TEST(PublishedConfigs, OpenAndHaveAsManyWeightsAsTheyAreSaidTo) {
  for (const Published& model : kPublished) {
    const ModelConfig config = read(model.config);
    EXPECT_EQ(config.num_parameters(), model.parameters) << model.name;
    // Also as a newer transformers writes it.
    Json newer = Json::parse(model.config);
    newer["rope_parameters"] = newer.value("rope_scaling", Json()).is_null()
                                   ? Json{{"rope_type", "default"}}
                                   : newer["rope_scaling"];
    newer["rope_parameters"]["rope_theta"] = newer["rope_theta"];
    newer["dtype"] = newer["torch_dtype"];
    for (const char* key : {"rope_scaling", "rope_theta", "torch_dtype"})
      newer.erase(key);
    EXPECT_EQ(read(newer.dump().c_str()).to_json(), config.to_json())
        << model.name;
  }
}

// Its layers without positions are none of Llama's.
TEST(PublishedConfigs, OtherShapesAreRefusedByName) {
  const char* config = R"({"architectures": ["SmolLM3ForCausalLM"],
      "model_type": "smollm3", "no_rope_layer_interval": 4})";
  EXPECT_NE(error_of([&] { read(config); }).find("SmolLM3ForCausalLM"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
