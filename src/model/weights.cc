#include "model/weights.h"

#include <fmt/format.h>

namespace seodang {
namespace {

// Gives out memory one tensor behind another; with no memory it only counts.
class Arena {
 public:
  Arena(void* memory, Dtype dtype)
      : memory_(static_cast<std::byte*>(memory)), dtype_(dtype) {}

  Tensor take(int64_t rows, int64_t cols) {
    constexpr int64_t kAlign = 32;  // numbers: 64 bytes even in bf16
    const int64_t at = used_;
    used_ += (rows * cols + kAlign - 1) / kAlign * kAlign;
    if (memory_ == nullptr) return {};
    return {memory_ + at * static_cast<int64_t>(size_of(dtype_)), dtype_, rows,
            cols};
  }
  int64_t used() const { return used_; }

 private:
  std::byte* memory_;
  Dtype dtype_;
  int64_t used_ = 0;
};

Weights lay_out(const ModelConfig& c, Arena& arena) {
  const int64_t hidden = c.hidden_size;
  const int64_t q = int64_t{c.num_attention_heads} * c.head_dim;
  const int64_t kv = int64_t{c.num_key_value_heads} * c.head_dim;
  Weights w;
  w.embed_tokens = arena.take(c.vocab_size, hidden);
  for (int32_t l = 0; l < c.num_hidden_layers; ++l) {
    LayerWeights& layer = w.layers.emplace_back();
    layer.input_layernorm = arena.take(1, hidden);
    layer.qkv_proj = arena.take(q + 2 * kv, hidden);
    layer.o_proj = arena.take(hidden, q);
    layer.post_attention_layernorm = arena.take(1, hidden);
    layer.gate_up_proj = arena.take(2 * int64_t{c.intermediate_size}, hidden);
    layer.down_proj = arena.take(hidden, c.intermediate_size);
  }
  w.norm = arena.take(1, hidden);
  w.lm_head =
      c.tie_word_embeddings ? w.embed_tokens : arena.take(c.vocab_size, hidden);
  return w;
}

}  // namespace

int64_t weights_size(const ModelConfig& config) {
  Arena counting(nullptr, Dtype::f32);
  lay_out(config, counting);
  return counting.used();
}

Weights weights_at(const ModelConfig& config, void* memory, Dtype dtype) {
  Arena arena(memory, dtype);
  return lay_out(config, arena);
}

std::vector<NamedTensor> named_weights(const ModelConfig& config,
                                       const Weights& weights) {
  const int64_t q = int64_t{config.num_attention_heads} * config.head_dim;
  const int64_t kv = int64_t{config.num_key_value_heads} * config.head_dim;
  const int64_t inner = config.intermediate_size;
  std::vector<NamedTensor> out;
  out.push_back({"model.embed_tokens.weight", weights.embed_tokens, true});
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    const LayerWeights& w = weights.layers[l];
    const auto add = [&](const char* name, Tensor tensor, bool decayed) {
      out.push_back(
          {fmt::format("model.layers.{}.{}.weight", l, name), tensor, decayed});
    };
    add("input_layernorm", w.input_layernorm, false);
    add("self_attn.q_proj", w.qkv_proj.rows_from(0, q), true);
    add("self_attn.k_proj", w.qkv_proj.rows_from(q, kv), true);
    add("self_attn.v_proj", w.qkv_proj.rows_from(q + kv, kv), true);
    add("self_attn.o_proj", w.o_proj, true);
    add("post_attention_layernorm", w.post_attention_layernorm, false);
    add("mlp.gate_proj", w.gate_up_proj.rows_from(0, inner), true);
    add("mlp.up_proj", w.gate_up_proj.rows_from(inner, inner), true);
    add("mlp.down_proj", w.down_proj, true);
  }
  out.push_back({"model.norm.weight", weights.norm, false});
  if (!config.tie_word_embeddings)
    out.push_back({"lm_head.weight", weights.lm_head, true});
  return out;
}

}  // namespace seodang
