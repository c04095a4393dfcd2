// The memory a decoder computes in. Kept apart from the computation so that the
// forward reads the same whether it trains or is used.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace seodang {

// What one layer computes for N tokens; `act` is bf16 or f32, as the weights.
struct LayerActivations {
  Tensor input;           // (N, hidden_size) f32: the residual stream coming in
  Tensor input_norm;      // (N, hidden_size) act
  Tensor qkv;             // (N, q + 2·kv) act; q and k are rotated in place
  Tensor attention;       // (N, q) act
  Tensor post_attention;  // (N, hidden_size) f32: the stream behind attention
  Tensor post_attention_norm;  // (N, hidden_size) act
  Tensor gate_up;              // (N, 2·intermediate_size) act
  Tensor glu;                  // (N, intermediate_size) act
  float* input_rstd;           // (N)
  float* post_attention_rstd;  // (N)
  float* lse;                  // (N, num_attention_heads)

  // Where the family has norms on them.
  Tensor qk;                // (N, q + kv) act: before; none in use (in place)
  float *q_rstd, *k_rstd;   // (N, heads)
  Tensor attention_output;  // (N, hidden_size) act: of o_proj
  Tensor mlp_output;        // (N, hidden_size) act: of down_proj
  float *attention_output_rstd, *mlp_output_rstd;  // (N)
};

enum class Keep {
  nothing,  // use: all layers share one layer's memory
  inputs,   // training with --recompute: each layer's input; the rest again
  all,      // training
};

struct Activations {
  Activations(const ModelConfig& config, int64_t tokens, Dtype act, Keep keep);

  std::vector<LayerActivations> layers;
  Tensor output;       // (N, hidden_size) f32: the stream behind the last layer
  Tensor output_norm;  // (N, hidden_size) act: hidden states
  float* output_rstd;  // (N)
  int64_t bytes = 0;

  // What `bytes` would be, without any memory.
  static int64_t bytes_needed(const ModelConfig& config, int64_t tokens,
                              Dtype act, Keep keep);

 private:
  Activations(const ModelConfig& config, int64_t tokens, Dtype act, Keep keep,
              bool only_count);
  std::vector<Buffer> memory_;
};

// What the backward computes in; one layer's worth, used again for each.
struct Gradients {
  Gradients(const ModelConfig& config, int64_t tokens, Dtype act);

  Tensor residual;      // (N, hidden_size) f32
  Tensor residual_act;  // (N, hidden_size) act: the same, rounded for products
  Tensor norm;          // (N, hidden_size) act
  Tensor gate_up;       // (N, 2·intermediate_size) act
  Tensor glu;           // (N, intermediate_size) act
  Tensor attention;     // (N, q) act
  Tensor qkv;           // (N, q + 2·kv) act
  int64_t bytes = 0;

  static int64_t bytes_needed(const ModelConfig& config, int64_t tokens,
                              Dtype act);

 private:
  Gradients(const ModelConfig& config, int64_t tokens, Dtype act,
            bool only_count);
  std::vector<Buffer> memory_;
};

}  // namespace seodang
