// The families of models that are built, a row each: what Hugging Face's
// classes fix beside config.json, and what GGUF calls them. (transformers,
// src/transformers/models/*/configuration_*.py and modeling_*.py; llama.cpp,
// gguf-py/gguf/constants.py.)
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace seodang {

struct Family {
  std::string_view architecture;  // of config.json: "LlamaForCausalLM"
  std::string_view model_type;    // of config.json: "llama"
  std::string_view gguf_name;     // GGUF's general.architecture
  // As in ModelConfig.
  bool qkv_bias = false, qk_norm = false, branch_norms = false,
       norm_plus_one = false, scale_embeddings = false;
  // GGUF's rows of q and k are in the order of a rotation of neighbours (2i,
  // 2i+1); Hugging Face rotates i with i + head_dim/2.
  bool gguf_rotates_neighbours = false;
  // JSON of what a key is where config.json leaves it out. Every
  // sliding_window_pattern-th layer is a full one; 0: none is.
  std::string_view default_keys;

  nlohmann::json defaults() const;
};

std::span<const Family> families();
// nullptr when it is not built.
const Family* find_family(std::string_view architecture);
// Of one that is.
const Family& family_of(std::string_view architecture);
std::string family_names();  // "LlamaForCausalLM, MistralForCausalLM, …"

std::string_view name_of(Activation activation);  // as hidden_act
std::string_view name_of(LayerType type);         // as in layer_types

}  // namespace seodang
