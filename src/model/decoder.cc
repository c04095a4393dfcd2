#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/convert.h"
#include "kernels/cross_entropy.h"
#include "kernels/embedding.h"
#include "kernels/matmul.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"

namespace seodang {
namespace {

// Rows of logits in memory at a time: enough for the product to run at full
// speed, little enough that (rows × vocab_size) stays near the cache.
constexpr int64_t kLogitRows = 512;

// θ_i = rope_theta^(-2i/head_dim); RoFormer, eq. 15.
std::vector<double> rope_frequencies(const ModelConfig& config) {
  std::vector<double> out;
  for (int32_t i = 0; i < config.head_dim / 2; ++i)
    out.push_back(std::pow(config.rope_theta, -2.0 * i / config.head_dim));
  return out;
}

// y = x·Wᵀ with W in one block, or in parts whose results stand side by side.
void project(Tensor y, Tensor x, Tensor w, std::span<const Tensor> parts) {
  if (w) return linear_forward(y, x, w);
  int64_t at = 0;
  for (const Tensor& part : parts) {
    linear_forward(y.cols_from(at, part.rows), x, part);
    at += part.rows;
  }
}

// Products are compiled per shape; rounding the rows up keeps the shapes few.
int64_t rounded_rows(int64_t rows, int64_t limit) {
  const int64_t unit = rows <= 8 ? 1 : rows <= 64 ? 8 : 32;
  return std::min(limit, (rows + unit - 1) / unit * unit);
}

}  // namespace

struct Decoder::State {
  State(const ModelConfig& c, const Weights& w, int64_t tokens, Keep k)
      : config(c),
        weights(w),
        max_tokens(tokens),
        act(w.act()),
        keep(k),
        activations(c, tokens, act, k),
        rope(rope_frequencies(c), c.max_position_embeddings),
        shape{c.num_attention_heads, c.num_key_value_heads, c.head_dim,
              1.0f / std::sqrt(static_cast<float>(c.head_dim))},
        positions(static_cast<size_t>(tokens)),
        logit_rows(std::min(kLogitRows, tokens)),
        head_hidden(act, logit_rows, c.hidden_size),
        head_logits(Dtype::f32, logit_rows, c.vocab_size),
        head_losses(static_cast<size_t>(logit_rows)),
        head_targets(static_cast<size_t>(logit_rows)) {
    if (keep != Keep::nothing) {
      gradients.emplace(c, tokens, act);
      head_dlogits = OwnedTensor(act, logit_rows, c.vocab_size);
      head_dhidden = OwnedTensor(act, logit_rows, c.hidden_size);
      output_gradient = OwnedTensor(act, tokens, c.hidden_size);
    }
    loss_rows.reserve(static_cast<size_t>(tokens));
  }

  Tensor q_of(Tensor qkv) const {
    return qkv.cols_from(0,
                         int64_t{shape.num_attention_heads} * shape.head_dim);
  }
  Tensor k_of(Tensor qkv) const {
    const int64_t q = int64_t{shape.num_attention_heads} * shape.head_dim;
    return qkv.cols_from(q, kv_width());
  }
  Tensor v_of(Tensor qkv) const {
    const int64_t q = int64_t{shape.num_attention_heads} * shape.head_dim;
    return qkv.cols_from(q + kv_width(), kv_width());
  }
  int64_t kv_width() const {
    return int64_t{shape.num_key_value_heads} * shape.head_dim;
  }

  void check(std::span<const int32_t> tokens) const;
  void place(const Batch& batch);
  Tensor forward(std::span<const int32_t> tokens);
  void forward_layer(size_t l, Tensor output);
  void attend(size_t l, const LayerActivations& a);
  void backward(const Batch& batch, const Weights& into);
  void backward_layer(size_t l, const Weights& into);
  template <class Block>
  Loss through_head(const Batch& batch, float* losses, Block&& block);

  ModelConfig config;
  Weights weights;
  int64_t max_tokens;
  Dtype act;
  Keep keep;
  Activations activations;
  std::optional<Gradients> gradients;
  RopeTable rope;
  AttentionShape shape;

  // The batch at hand.
  int64_t rows = 0;  // rows computed: N, rounded up in use
  std::vector<int32_t> positions;
  std::vector<SequenceSpan> sequences;
  std::vector<AttentionSpan> attention_spans;

  // The head, a block of rows at a time.
  int64_t logit_rows;
  OwnedTensor head_hidden, head_logits, head_dlogits, head_dhidden;
  OwnedTensor output_gradient;  // (N, hidden_size) act: of the hidden states
  std::vector<float> head_losses;
  std::vector<int32_t> head_targets;
  std::vector<int32_t> loss_rows;
};

void Decoder::State::check(std::span<const int32_t> tokens) const {
  if (static_cast<int64_t>(tokens.size()) > max_tokens)
    throw Error("{} tokens at once, this decoder takes up to {}", tokens.size(),
                max_tokens);
  for (const int32_t token : tokens)
    if (token < 0 || token >= config.vocab_size)
      throw Error("token {} is outside the vocabulary of {}", token,
                  config.vocab_size);
  int64_t covered = 0;
  for (const SequenceSpan& span : sequences) {
    if (span.begin != covered || span.length <= 0)
      throw Error("spans do not cover the tokens in order");
    covered += span.length;
    const int64_t past = span.kv_cache != nullptr ? span.kv_cache->length() : 0;
    const int64_t limit =
        span.kv_cache != nullptr
            ? std::min<int64_t>(config.max_position_embeddings,
                                span.kv_cache->capacity())
            : config.max_position_embeddings;
    if (past + span.length > limit)
      throw Error(
          "a sequence of {} tokens is longer than the {} there is room "
          "for (max_position_embeddings {})",
          past + span.length, limit, config.max_position_embeddings);
  }
  if (covered != static_cast<int64_t>(tokens.size()))
    throw Error("spans cover {} of {} tokens", covered, tokens.size());
}

void Decoder::State::place(const Batch& batch) {
  sequences.clear();
  for (const Span& span : batch.spans)
    sequences.push_back({span.begin, span.length, nullptr});
}

// Expects `sequences` to say whose tokens these are.
Tensor Decoder::State::forward(std::span<const int32_t> tokens) {
  check(tokens);
  const int64_t n = static_cast<int64_t>(tokens.size());
  rows = keep == Keep::nothing ? rounded_rows(n, max_tokens) : n;
  attention_spans.resize(sequences.size());
  std::fill(positions.begin(), positions.end(), 0);
  for (const SequenceSpan& span : sequences) {
    const int64_t past = span.kv_cache != nullptr ? span.kv_cache->length() : 0;
    for (int32_t i = 0; i < span.length; ++i)
      positions[static_cast<size_t>(span.begin + i)] =
          static_cast<int32_t>(past + i);
  }

  embedding_forward(activations.layers[0].input.rows_from(0, n), tokens.data(),
                    weights.embed_tokens);
  const size_t depth = activations.layers.size();
  for (size_t l = 0; l < depth; ++l)
    forward_layer(l, l + 1 < depth ? activations.layers[l + 1].input
                                   : activations.output);
  for (const SequenceSpan& span : sequences)
    if (span.kv_cache != nullptr)
      span.kv_cache->truncate(span.kv_cache->length() + span.length);
  rmsnorm_forward(activations.output_norm.rows_from(0, rows),
                  activations.output_rstd,
                  activations.output.rows_from(0, rows), weights.norm,
                  static_cast<float>(config.rms_norm_eps));
  return activations.output_norm.rows_from(0, n);
}

void Decoder::State::forward_layer(size_t l, Tensor output) {
  const LayerWeights& w = weights.layers[l];
  const LayerActivations& a = activations.layers[l];
  const float eps = static_cast<float>(config.rms_norm_eps);
  const auto use = [&](Tensor t) { return t.rows_from(0, rows); };

  rmsnorm_forward(use(a.input_norm), a.input_rstd, use(a.input),
                  w.input_layernorm, eps);
  project(use(a.qkv), use(a.input_norm), w.qkv_proj, w.qkv_parts);
  rope_forward(q_of(use(a.qkv)), positions.data(), rope);
  rope_forward(k_of(use(a.qkv)), positions.data(), rope);
  attend(l, a);
  if (a.middle.data != a.input.data) convert(use(a.middle), use(a.input));
  linear_forward(use(a.middle), use(a.attention), w.o_proj, true);

  rmsnorm_forward(use(a.middle_norm), a.middle_rstd, use(a.middle),
                  w.post_attention_layernorm, eps);
  project(use(a.gate_up), use(a.middle_norm), w.gate_up_proj, w.gate_up_parts);
  swiglu_forward(use(a.swiglu), use(a.gate_up));
  if (!output) return;  // recomputed for the backward, which has it already
  if (output.data != a.middle.data) convert(use(output), use(a.middle));
  linear_forward(use(output), use(a.swiglu), w.down_proj, true);
}

void Decoder::State::attend(size_t l, const LayerActivations& a) {
  const Tensor k = k_of(a.qkv), v = v_of(a.qkv);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const SequenceSpan& s = sequences[i];
    AttentionSpan& to = attention_spans[i];
    to = {s.begin, s.length, nullptr, nullptr, s.length, k.stride};
    Tensor keys = k.rows_from(s.begin, s.length);
    Tensor values = v.rows_from(s.begin, s.length);
    if (s.kv_cache != nullptr) {
      const int64_t past = s.kv_cache->length();
      const int64_t layer = static_cast<int64_t>(l);
      convert(s.kv_cache->keys(layer).rows_from(past, s.length), keys);
      convert(s.kv_cache->values(layer).rows_from(past, s.length), values);
      keys = s.kv_cache->keys(layer);
      values = s.kv_cache->values(layer);
      to.key_length = past + s.length;
      to.stride = keys.stride;
    }
    to.key = keys.data;
    to.value = values.data;
  }
  attention_forward(a.attention.rows_from(0, rows), a.lse,
                    q_of(a.qkv).rows_from(0, rows), attention_spans, shape);
}

void Decoder::State::backward(const Batch& batch, const Weights& into) {
  const Tensor dx = gradients->residual.rows_from(0, rows);
  std::memset(dx.data, 0, static_cast<size_t>(dx.size()) * sizeof(float));
  rmsnorm_backward(dx, into.norm, output_gradient.view().rows_from(0, rows),
                   activations.output.rows_from(0, rows), weights.norm,
                   activations.output_rstd);
  const size_t depth = activations.layers.size();
  for (size_t l = depth; l-- > 0;) {
    // The last layer's activations are still there from the forward.
    if (keep == Keep::inputs && l + 1 < depth) forward_layer(l, {});
    backward_layer(l, into);
  }
  embedding_backward(into.embed_tokens, batch.tokens.data(), dx);
}

// Reads upward through forward_layer: what came last there comes first here.
void Decoder::State::backward_layer(size_t l, const Weights& into) {
  const LayerWeights& w = weights.layers[l];
  const LayerWeights& dw = into.layers[l];
  const LayerActivations& a = activations.layers[l];
  const Gradients& d = *gradients;
  const auto use = [&](Tensor t) { return t.rows_from(0, rows); };
  const Tensor dx = use(d.residual), dx_act = use(d.residual_act);

  convert(dx_act, dx);
  linear_backward_weight(dw.down_proj, dx_act, use(a.swiglu));
  linear_backward_input(use(d.swiglu), dx_act, w.down_proj);
  swiglu_backward(use(d.gate_up), use(d.swiglu), use(a.gate_up));
  linear_backward_weight(dw.gate_up_proj, use(d.gate_up), use(a.middle_norm));
  linear_backward_input(use(d.norm), use(d.gate_up), w.gate_up_proj);
  rmsnorm_backward(dx, dw.post_attention_layernorm, use(d.norm), use(a.middle),
                   w.post_attention_layernorm, a.middle_rstd);

  convert(dx_act, dx);
  linear_backward_weight(dw.o_proj, dx_act, use(a.attention));
  linear_backward_input(use(d.attention), dx_act, w.o_proj);
  const Tensor qkv = use(a.qkv), dqkv = use(d.qkv);
  attention_backward(q_of(dqkv), k_of(dqkv), v_of(dqkv), use(d.attention),
                     use(a.attention), a.lse, q_of(qkv), k_of(qkv), v_of(qkv),
                     attention_spans, shape);
  rope_backward(q_of(dqkv), positions.data(), rope);
  rope_backward(k_of(dqkv), positions.data(), rope);
  linear_backward_weight(dw.qkv_proj, dqkv, use(a.input_norm));
  linear_backward_input(use(d.norm), dqkv, w.qkv_proj);
  rmsnorm_backward(dx, dw.input_layernorm, use(d.norm), use(a.input),
                   w.input_layernorm, a.input_rstd);
}

// Goes through the rows that carry loss, a block at a time: gathers their
// hidden states, computes logits, and lets `block` have them before they are
// gone.
template <class Block>
Loss Decoder::State::through_head(const Batch& batch, float* losses,
                                  Block&& block) {
  loss_rows.clear();
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.targets[i] >= config.vocab_size)
      throw Error("target {} is outside the vocabulary of {}", batch.targets[i],
                  config.vocab_size);
    if (batch.targets[i] >= 0) loss_rows.push_back(static_cast<int32_t>(i));
  }
  if (losses != nullptr) std::fill(losses, losses + batch.targets.size(), 0.0f);
  Loss loss;
  const int64_t total = static_cast<int64_t>(loss_rows.size());
  for (int64_t first = 0; first < total; first += logit_rows) {
    const int64_t count = std::min(logit_rows, total - first);
    for (int64_t r = 0; r < logit_rows; ++r) {
      const bool used = r < count;
      const int64_t from = used ? loss_rows[static_cast<size_t>(first + r)] : 0;
      head_targets[static_cast<size_t>(r)] =
          used ? batch.targets[static_cast<size_t>(from)] : kIgnoreTarget;
      std::memcpy(head_hidden.view().rows_from(r, 1).data,
                  activations.output_norm.rows_from(from, 1).data,
                  static_cast<size_t>(config.hidden_size) * size_of(act));
    }
    linear_forward(head_logits, head_hidden, weights.lm_head);
    block(first, count);
    for (int64_t r = 0; r < count; ++r) {
      const float value = head_losses[static_cast<size_t>(r)];
      loss.sum += value;
      if (losses != nullptr)
        losses[loss_rows[static_cast<size_t>(first + r)]] = value;
    }
    loss.tokens += count;
  }
  return loss;
}

Decoder::Decoder(const ModelConfig& config, const Weights& weights,
                 int64_t max_tokens, Keep keep)
    : state_(std::make_unique<State>(config, weights, max_tokens, keep)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;

Tensor Decoder::forward(std::span<const int32_t> tokens,
                        std::span<const SequenceSpan> spans) {
  state_->sequences.assign(spans.begin(), spans.end());
  return state_->forward(tokens);
}

void Decoder::logits(Tensor out, Tensor hidden) const {
  linear_forward(out, hidden, state_->weights.lm_head);
}

Loss Decoder::evaluate(const Batch& batch, float* losses) {
  State& s = *state_;
  s.place(batch);
  s.forward(batch.tokens);
  return s.through_head(batch, losses, [&](int64_t, int64_t) {
    cross_entropy_forward(s.head_losses.data(), s.head_logits,
                          s.head_targets.data());
  });
}

Loss Decoder::accumulate_gradients(const Batch& batch, const Weights& gradients,
                                   float scale) {
  State& s = *state_;
  s.place(batch);
  s.forward(batch.tokens);
  const Tensor dhidden = s.output_gradient;
  std::memset(dhidden.data, 0, s.output_gradient.bytes());
  const Loss loss =
      s.through_head(batch, nullptr, [&](int64_t first, int64_t count) {
        cross_entropy_forward_backward(s.head_losses.data(), s.head_dlogits,
                                       s.head_logits, s.head_targets.data(),
                                       scale);
        linear_backward_weight(gradients.lm_head, s.head_dlogits,
                               s.head_hidden);
        linear_backward_input(s.head_dhidden, s.head_dlogits,
                              s.weights.lm_head);
        for (int64_t r = 0; r < count; ++r)
          std::memcpy(
              dhidden.rows_from(s.loss_rows[static_cast<size_t>(first + r)], 1)
                  .data,
              s.head_dhidden.view().rows_from(r, 1).data,
              static_cast<size_t>(dhidden.cols) * size_of(dhidden.dtype));
      });
  s.backward(batch, gradients);
  return loss;
}

int64_t Decoder::bytes() const {
  const State& s = *state_;
  return s.activations.bytes + (s.gradients ? s.gradients->bytes : 0) +
         static_cast<int64_t>(s.head_hidden.bytes() + s.head_logits.bytes() +
                              s.head_dlogits.bytes() + s.head_dhidden.bytes() +
                              s.output_gradient.bytes());
}

}  // namespace seodang
