// The families of models that are built: what Hugging Face's classes fix beside
// config.json. (transformers, src/transformers/models/*/configuration_*.py and
// modeling_*.py.)
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "model/config.h"

namespace seodang {

struct Family {
  std::string_view architecture;  // "LlamaForCausalLM"
  std::string_view model_type;    // "llama"
  // As in ModelConfig.
  bool qkv_bias, qk_norm, branch_norms, norm_plus_one, scale_embeddings;
  // JSON of what a key is where config.json leaves it out.
  std::string_view default_keys;

  nlohmann::json defaults() const;
};

// nullptr when it is not built.
const Family* find_family(std::string_view architecture);
// Of one that is.
const Family& family_of(std::string_view architecture);
std::string family_names();  // "LlamaForCausalLM, MistralForCausalLM, …"

std::string_view name_of(Activation activation);  // as hidden_act
std::string_view name_of(LayerType type);         // as in layer_types

}  // namespace seodang
