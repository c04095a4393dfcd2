#include "model/activations.h"

namespace seodang {
namespace {

// Hands out tensors and counts what they cost; or only counts, and the tensors
// have no memory.
class Allocator {
 public:
  Allocator(std::vector<Buffer>& memory, int64_t& bytes, bool only_count)
      : memory_(memory), bytes_(bytes), only_count_(only_count) {}

  Tensor tensor(Dtype dtype, int64_t rows, int64_t cols) {
    const size_t size = static_cast<size_t>(rows * cols) * size_of(dtype);
    bytes_ += static_cast<int64_t>(size);
    if (only_count_) return {nullptr, dtype, rows, cols};
    return {memory_.emplace_back(size).data(), dtype, rows, cols};
  }
  float* floats(int64_t count) {
    return tensor(Dtype::f32, 1, count).row<float>(0);
  }

 private:
  std::vector<Buffer>& memory_;
  int64_t& bytes_;
  bool only_count_;
};

struct Widths {
  explicit Widths(const ModelConfig& c)
      : hidden(c.hidden_size),
        q(int64_t{c.num_attention_heads} * c.head_dim),
        qkv(q + 2 * int64_t{c.num_key_value_heads} * c.head_dim),
        inner(c.intermediate_size) {}
  int64_t hidden, q, qkv, inner;
};

LayerActivations layer_of(Allocator& allocate, const ModelConfig& config,
                          int64_t n, Dtype act, Keep keep) {
  const Widths w(config);
  LayerActivations a{};
  a.input = allocate.tensor(Dtype::f32, n, w.hidden);
  a.input_norm = allocate.tensor(act, n, w.hidden);
  a.qkv = allocate.tensor(act, n, w.qkv);
  a.attention = allocate.tensor(act, n, w.q);
  a.post_attention = allocate.tensor(Dtype::f32, n, w.hidden);
  a.post_attention_norm = allocate.tensor(act, n, w.hidden);
  a.gate_up = allocate.tensor(act, n, 2 * w.inner);
  a.glu = allocate.tensor(act, n, w.inner);
  a.input_rstd = allocate.floats(n);
  a.post_attention_rstd = allocate.floats(n);
  a.lse = allocate.floats(n * config.num_attention_heads);
  if (config.qk_norm) {
    const int64_t kv_heads = config.num_key_value_heads;
    if (keep != Keep::nothing)
      a.qk = allocate.tensor(act, n, w.q + kv_heads * config.head_dim);
    a.q_rstd = allocate.floats(n * config.num_attention_heads);
    a.k_rstd = allocate.floats(n * kv_heads);
  }
  if (config.branch_norms) {
    a.attention_output = allocate.tensor(act, n, w.hidden);
    a.mlp_output = allocate.tensor(act, n, w.hidden);
    a.attention_output_rstd = allocate.floats(n);
    a.mlp_output_rstd = allocate.floats(n);
  }
  return a;
}

}  // namespace

Activations::Activations(const ModelConfig& config, int64_t tokens, Dtype act,
                         Keep keep)
    : Activations(config, tokens, act, keep, false) {}

int64_t Activations::bytes_needed(const ModelConfig& config, int64_t tokens,
                                  Dtype act, Keep keep) {
  return Activations(config, tokens, act, keep, true).bytes;
}

Activations::Activations(const ModelConfig& config, int64_t tokens, Dtype act,
                         Keep keep, bool only_count) {
  Allocator allocate(memory_, bytes, only_count);
  for (int32_t l = 0; l < config.num_hidden_layers; ++l) {
    if (l == 0 || keep == Keep::all) {
      layers.push_back(layer_of(allocate, config, tokens, act, keep));
      continue;
    }
    layers.push_back(layers[0]);
    if (keep == Keep::inputs)
      layers.back().input =
          allocate.tensor(Dtype::f32, tokens, config.hidden_size);
  }
  // In use nobody asks for a layer's input again: the stream stays in place.
  if (keep == Keep::nothing)
    for (LayerActivations& layer : layers) layer.post_attention = layer.input;
  output = keep == Keep::nothing
               ? layers[0].input
               : allocate.tensor(Dtype::f32, tokens, config.hidden_size);
  output_norm = allocate.tensor(act, tokens, config.hidden_size);
  output_rstd = allocate.floats(tokens);
}

Gradients::Gradients(const ModelConfig& config, int64_t tokens, Dtype act)
    : Gradients(config, tokens, act, false) {}

int64_t Gradients::bytes_needed(const ModelConfig& config, int64_t tokens,
                                Dtype act) {
  return Gradients(config, tokens, act, true).bytes;
}

Gradients::Gradients(const ModelConfig& config, int64_t tokens, Dtype act,
                     bool only_count) {
  const Widths w(config);
  Allocator allocate(memory_, bytes, only_count);
  residual = allocate.tensor(Dtype::f32, tokens, w.hidden);
  residual_act = allocate.tensor(act, tokens, w.hidden);
  norm = allocate.tensor(act, tokens, w.hidden);
  gate_up = allocate.tensor(act, tokens, 2 * w.inner);
  glu = allocate.tensor(act, tokens, w.inner);
  attention = allocate.tensor(act, tokens, w.q);
  qkv = allocate.tensor(act, tokens, w.qkv);
}

}  // namespace seodang
