// The weights of a decoder as views, whoever owns the memory: training's f32
// masters, their bf16 copies, the gradients, or a mapped file.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace seodang {

// A low-rank update of a linear layer: y += scale · (x·aᵀ)·bᵀ, with
// scale = alpha / rank, or alpha / √rank in rsLoRA (Hu et al., "LoRA", 2021,
// section 4.1; Kalajdzievski, "Rank-stabilized LoRA", 2023, eq. 5). `a` and `b`
// f32, or what activations are.
struct Lora {
  Tensor a;  // (rank, in)
  Tensor b;  // (out, rank)
  float scale = 0;
  float dropout = 0;  // of x, in what is learned from (model/lora.h)
  uint32_t id = 0;    // of its layer in the model
};

// Rows of its own for some tokens, which stand in for those of a matrix over
// the vocabulary (PEFT's trainable_token_indices).
struct TokenRows {
  std::vector<int32_t> tokens = {};  // ascending
  Tensor rows = {};  // (tokens, hidden_size), f32 or what activations are

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t row_of(int32_t token) const;  // -1: there is none
};

// The linear layers of a decoder layer.
enum class Linear : uint8_t {
  q_proj,
  k_proj,
  v_proj,
  o_proj,
  gate_proj,
  up_proj,
  down_proj
};
constexpr size_t kLinears = 7;

// Views without memory are weights that the family does not have.
struct LayerWeights {
  Tensor input_layernorm;  // (1, hidden_size)
  Tensor q_proj;           // (num_attention_heads·head_dim, hidden_size)
  Tensor k_proj, v_proj;   // (num_key_value_heads·head_dim, hidden_size)
  Tensor q_bias, k_bias, v_bias;  // (1, rows of the projection)
  Tensor q_norm, k_norm;          // (1, head_dim)
  Tensor o_proj;              // (hidden_size, num_attention_heads·head_dim)
  Tensor attention_norm;      // (1, hidden_size): of what attention adds
  Tensor mlp_layernorm;       // (1, hidden_size): of what the mlp reads
  Tensor gate_proj, up_proj;  // (intermediate_size, hidden_size)
  Tensor down_proj;           // (hidden_size, intermediate_size)
  Tensor mlp_norm;            // (1, hidden_size): of what the mlp adds

  // Of each linear layer, by Linear; they add up.
  std::array<std::vector<Lora>, kLinears> loras;
  std::vector<Lora>& lora(Linear linear) {
    return loras[static_cast<size_t>(linear)];
  }
  const std::vector<Lora>& lora(Linear linear) const {
    return loras[static_cast<size_t>(linear)];
  }
};

struct Weights {
  Tensor embed_tokens;  // (vocab_size, hidden_size)
  std::vector<LayerWeights> layers;
  Tensor norm;  // (1, hidden_size)
  Tensor
      lm_head;  // (vocab_size, hidden_size); the embedding's memory when tied
  std::vector<Lora> lm_head_loras;
  // Of the two; the later ones win. Those of a tied lm_head are the
  // embedding's.
  std::vector<TokenRows> embed_rows, lm_head_rows;

  // What activations are computed in. Norms and biases have this dtype,
  // matrices any.
  Dtype act() const { return norm.dtype; }
};

// A weight under its Hugging Face name
// ("model.layers.0.self_attn.q_proj.weight").
struct NamedTensor {
  std::string name;
  Tensor tensor;
  bool decayed = false;  // weight decay applies: matrices yes, norms no
};

struct WeightShape {
  int64_t rows = 0, cols = 0;
  bool decayed = false;
  // Lies right behind the weight before it, so that one product takes both.
  bool joined = false;

  // In a file norms and biases are vectors.
  std::vector<int64_t> in_file() const;
};

// The dtype in which a weight is used that is stored as `stored`, when
// activations are `act`: matrices in blocks or in 16 bits stay as they are,
// since reading them is what using them costs; the rest becomes `act`.
Dtype dtype_in_use(Dtype stored, const WeightShape& shape, Dtype act);

// Calls visit for every weight that `config` has, in the order of memory, and
// makes a tied lm_head, which is not visited, the embedding.
void for_each_weight(
    const ModelConfig& config, Weights& weights,
    const std::function<void(const std::string& name, Tensor& tensor,
                             const WeightShape& shape)>& visit);

// All weights in one block of memory, each starting on a 64-byte boundary but
// for those that are joined. Numbers between them are padding and stay zero.
int64_t weights_size(const ModelConfig& config);  // in numbers
Weights weights_at(const ModelConfig& config, void* memory, Dtype dtype);
// In the order of memory; a tied lm_head is not listed.
std::vector<NamedTensor> named_weights(const ModelConfig& config,
                                       const Weights& weights);

}  // namespace seodang
