#include "model/weights.h"

#include <fmt/format.h>

namespace seodang {
namespace {

// Gives out memory one tensor behind another; with no memory it only counts.
class Arena {
 public:
  Arena(void* memory, Dtype dtype)
      : memory_(static_cast<std::byte*>(memory)), dtype_(dtype) {}

  Tensor take(const WeightShape& shape) {
    if (!shape.joined) used_ = rounded(used_);
    const int64_t at = used_;
    used_ += shape.rows * shape.cols;
    if (memory_ == nullptr) return {};
    return {memory_ + at * static_cast<int64_t>(size_of(dtype_)), dtype_,
            shape.rows, shape.cols};
  }
  int64_t used() const { return rounded(used_); }

 private:
  static int64_t rounded(int64_t numbers) {
    constexpr int64_t kAlign = 32;  // numbers: 64 bytes even in bf16
    return (numbers + kAlign - 1) / kAlign * kAlign;
  }

  std::byte* memory_;
  Dtype dtype_;
  int64_t used_ = 0;
};

Weights lay_out(const ModelConfig& config, Arena& arena) {
  Weights weights;
  for_each_weight(
      config, weights,
      [&](const std::string&, Tensor& tensor, const WeightShape& shape) {
        tensor = arena.take(shape);
      });
  return weights;
}

}  // namespace

int64_t TokenRows::row_of(int32_t token) const {
  const auto at = std::ranges::lower_bound(tokens, token);
  return at != tokens.end() && *at == token ? at - tokens.begin() : -1;
}

std::vector<int64_t> WeightShape::in_file() const {
  if (!decayed) return {cols};
  return {rows, cols};
}

Dtype dtype_in_use(Dtype stored, const WeightShape& shape, Dtype act) {
  const bool stays =
      shape.decayed && (is_quantized(stored) || is_16_bit(stored));
  return stays ? stored : act;
}

void for_each_weight(const ModelConfig& c, Weights& weights,
                     const std::function<void(const std::string&, Tensor&,
                                              const WeightShape&)>& visit) {
  const int64_t hidden = c.hidden_size, inner = c.intermediate_size;
  const int64_t q = int64_t{c.num_attention_heads} * c.head_dim;
  const int64_t kv = int64_t{c.num_key_value_heads} * c.head_dim;
  visit("model.embed_tokens.weight", weights.embed_tokens,
        {c.vocab_size, hidden, true});
  weights.layers.resize(static_cast<size_t>(c.num_hidden_layers));
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    LayerWeights& w = weights.layers[l];
    const auto name_of = [&](const char* name, const char* kind) {
      return fmt::format("model.layers.{}.{}.{}", l, name, kind);
    };
    const auto matrix = [&](const char* name, Tensor& tensor, int64_t rows,
                            int64_t cols, bool joined = false) {
      visit(name_of(name, "weight"), tensor, {rows, cols, true, joined});
    };
    const auto norm = [&](const char* name, Tensor& tensor, int64_t width) {
      visit(name_of(name, "weight"), tensor, {1, width});
    };
    const auto bias = [&](const char* name, Tensor& tensor, int64_t width) {
      visit(name_of(name, "bias"), tensor, {1, width});
    };
    norm("input_layernorm", w.input_layernorm, hidden);
    matrix("self_attn.q_proj", w.q_proj, q, hidden);
    matrix("self_attn.k_proj", w.k_proj, kv, hidden, true);
    matrix("self_attn.v_proj", w.v_proj, kv, hidden, true);
    if (c.qkv_bias) {
      bias("self_attn.q_proj", w.q_bias, q);
      bias("self_attn.k_proj", w.k_bias, kv);
      bias("self_attn.v_proj", w.v_bias, kv);
    }
    if (c.qk_norm) {
      norm("self_attn.q_norm", w.q_norm, c.head_dim);
      norm("self_attn.k_norm", w.k_norm, c.head_dim);
    }
    matrix("self_attn.o_proj", w.o_proj, hidden, q);
    if (c.branch_norms)
      norm("post_attention_layernorm", w.attention_norm, hidden);
    norm(c.branch_norms ? "pre_feedforward_layernorm"
                        : "post_attention_layernorm",
         w.mlp_layernorm, hidden);
    matrix("mlp.gate_proj", w.gate_proj, inner, hidden);
    matrix("mlp.up_proj", w.up_proj, inner, hidden, true);
    matrix("mlp.down_proj", w.down_proj, hidden, inner);
    if (c.branch_norms) norm("post_feedforward_layernorm", w.mlp_norm, hidden);
  }
  visit("model.norm.weight", weights.norm, {1, hidden});
  if (c.tie_word_embeddings)
    weights.lm_head = weights.embed_tokens;
  else
    visit("lm_head.weight", weights.lm_head, {c.vocab_size, hidden, true});
}

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
  std::vector<NamedTensor> out;
  Weights views = weights;
  for_each_weight(
      config, views,
      [&](const std::string& name, Tensor& tensor, const WeightShape& shape) {
        out.push_back({name, tensor, shape.decayed});
      });
  return out;
}

}  // namespace seodang
