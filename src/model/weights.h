// The weights of a decoder as views, whoever owns the memory: training's f32
// masters, their bf16 copies, the gradients, or a mapped file.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace seodang {

struct LayerWeights {
  Tensor input_layernorm;  // (1, hidden_size)
  Tensor qkv_proj;         // rows: all q heads, all k heads, all v heads
  Tensor o_proj;           // (hidden_size, num_attention_heads·head_dim)
  Tensor post_attention_layernorm;  // (1, hidden_size)
  Tensor gate_up_proj;  // rows: gate, then up; (2·intermediate, hidden)
  Tensor down_proj;     // (hidden_size, intermediate_size)
  // Instead of qkv_proj and gate_up_proj where these lie apart, as in a mapped
  // GGUF file: q, k and v; gate and up.
  std::array<Tensor, 3> qkv_parts;
  std::array<Tensor, 2> gate_up_parts;
};

struct Weights {
  Tensor embed_tokens;  // (vocab_size, hidden_size)
  std::vector<LayerWeights> layers;
  Tensor norm;  // (1, hidden_size)
  Tensor
      lm_head;  // (vocab_size, hidden_size); the embedding's memory when tied

  // What activations are computed in. Norms have this dtype, and so has all
  // else that is not quantized.
  Dtype act() const { return norm.dtype; }
};

// A weight under its Hugging Face name
// ("model.layers.0.self_attn.q_proj.weight"): products that are fused here are
// rows of one block, so each is still one view.
struct NamedTensor {
  std::string name;
  Tensor tensor;
  bool decayed = false;  // weight decay applies: matrices yes, norms no
};

// All weights in one block of memory, each starting on a 64-byte boundary.
// Numbers between them are padding and stay zero.
int64_t weights_size(const ModelConfig& config);  // in numbers
Weights weights_at(const ModelConfig& config, void* memory, Dtype dtype);
// In the order of memory; a tied lm_head is not listed.
std::vector<NamedTensor> named_weights(const ModelConfig& config,
                                       const Weights& weights);

}  // namespace seodang
