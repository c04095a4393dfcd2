#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/bias.h"
#include "kernels/convert.h"
#include "kernels/embedding.h"
#include "kernels/glu.h"
#include "kernels/matmul.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "model/lora.h"
#include "model/rope_frequencies.h"

namespace seodang {
namespace {

// Products are compiled per shape; rounding the rows up keeps the shapes few.
int64_t rounded_rows(int64_t rows, int64_t limit) {
  const int64_t unit = rows <= 8 ? 1 : rows <= 64 ? 8 : 32;
  return std::min(limit, (rows + unit - 1) / unit * unit);
}

// Gemma multiplies in the dtype of the weights.
float embedding_scale_of(const ModelConfig& c, Dtype act) {
  if (!c.scale_embeddings) return 1;
  const float scale = std::sqrt(static_cast<float>(c.hidden_size));
  return act == Dtype::bf16 ? static_cast<float>(bf16(scale)) : scale;
}

AttentionShape attention_shape_of(const ModelConfig& c) {
  AttentionShape shape{c.num_attention_heads, c.num_key_value_heads,
                       c.head_dim};
  const double scalar =
      c.query_pre_attn_scalar > 0 ? c.query_pre_attn_scalar : c.head_dim;
  shape.scale = 1.0f / std::sqrt(static_cast<float>(scalar));
  shape.softcap = static_cast<float>(c.attn_logit_softcapping);
  return shape;
}

// Calls use(block, row) for `parts` as if they were one matrix, `row` the first
// of the block's in it: parts that lie behind one another in memory are one
// block. In training that is all of them; in a file it depends on the writer.
template <class Use>
void for_each_block(std::initializer_list<Tensor> parts, Use&& use) {
  int64_t row = 0;
  for (auto part = parts.begin(); part != parts.end();) {
    Tensor block = *part++;
    while (part != parts.end() && part->dtype == block.dtype &&
           part->stride == block.stride &&
           part->data == block.rows_from(block.rows, 0).data)
      block.rows += (part++)->rows;
    use(block, row);
    row += block.rows;
  }
}

void project_backward(Tensor dx, std::initializer_list<Tensor> dw, Tensor dy,
                      Tensor x, std::initializer_list<Tensor> w) {
  for_each_block(dw, [&](Tensor block, int64_t row) {
    if (block) linear_backward_weight(block, dy.cols_from(row, block.rows), x);
  });
  for_each_block(w, [&](Tensor block, int64_t row) {
    linear_backward_input(dx, dy.cols_from(row, block.rows), block, row > 0);
  });
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
        norm{static_cast<float>(c.rms_norm_eps), c.norm_plus_one ? 1.0f : 0.0f},
        embedding_scale(embedding_scale_of(c, act)),
        shape(attention_shape_of(c)),
        positions(static_cast<size_t>(tokens)),
        lora(act, tokens, largest_rank(w)),
        head(config, weights, lora, tokens, k != Keep::nothing) {
    reach(std::min<int64_t>(tokens, c.context_length()));
    if (keep != Keep::nothing) {
      gradients.emplace(c, tokens, act);
      output_gradient = OwnedTensor(act, tokens, c.hidden_size);
    }
  }

  // Makes the angles of the first `length` positions.
  void reach(int64_t length) {
    extend(rope, config, LayerType::full_attention, length);
    if (config.rope_local_base_freq > 0)
      extend(local_rope, config, LayerType::sliding_attention, length);
  }
  const RopeTable& rope_of(size_t layer) const {
    return config.rope_local_base_freq > 0 &&
                   config.slides(static_cast<int64_t>(layer))
               ? local_rope
               : rope;
  }
  AttentionShape shape_of(size_t layer) const {
    AttentionShape out = shape;
    if (config.slides(static_cast<int64_t>(layer)))
      out.window = config.sliding_window;
    return out;
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
  Tensor gate_of(Tensor gate_up) const {
    return gate_up.cols_from(0, config.intermediate_size);
  }
  Tensor up_of(Tensor gate_up) const {
    return gate_up.cols_from(config.intermediate_size,
                             config.intermediate_size);
  }
  int64_t kv_width() const {
    return int64_t{shape.num_key_value_heads} * shape.head_dim;
  }

  void check(std::span<const int32_t> tokens) const;
  void place(const Batch& batch);
  Tensor forward(std::span<const int32_t> tokens);
  void put_own_rows(std::span<const int32_t> tokens);
  void own_rows_backward(std::span<const int32_t> tokens, Tensor dx,
                         const Weights& into) const;
  void forward_layer(size_t l, Tensor output);
  void linear(Tensor y, Tensor x, Tensor w, bool add = false) const {
    (keep == Keep::nothing ? linear_inference : linear_forward)(y, x, w, add);
  }
  void project(Tensor y, Tensor x, std::initializer_list<Tensor> w) const {
    for_each_block(w, [&](Tensor block, int64_t row) {
      linear(y.cols_from(row, block.rows), x, block);
    });
  }
  void attend(size_t l, const LayerActivations& a);
  void normalize_heads(const LayerWeights& w, const LayerActivations& a);
  void add_branch(Tensor stream, Tensor x, Tensor w,
                  const std::vector<Lora>& loras, Tensor branch, float* rstd,
                  Tensor branch_norm) const;
  void branch_gradient(Tensor dbranch, Tensor dstream, Tensor dbranch_norm,
                       Tensor branch, const float* rstd,
                       Tensor branch_norm) const;
  Loss backward(const Batch& batch, Tensor hidden, const Weights& into,
                const Teacher& teacher, const GradientsReady& ready);
  void backward_layer(size_t l, const Weights& into);

  ModelConfig config;
  Weights weights;
  int64_t max_tokens;
  Dtype act;
  Keep keep;
  Activations activations;
  std::optional<Gradients> gradients;
  RopeTable rope, local_rope;
  RmsNorm norm;
  float embedding_scale;
  AttentionShape shape;

  // The batch at hand.
  int64_t rows = 0;  // rows computed: N, rounded up in use
  std::vector<int32_t> positions;
  std::vector<SequenceSpan> sequences;
  std::vector<AttentionSpan> attention_spans;

  LoraProducts lora;
  Head head;
  OwnedTensor output_gradient;  // (N, hidden_size) act: of the hidden states
  std::vector<float> losses, loss_weights;  // (N)
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
    const int64_t limit = span.kv_cache != nullptr
                              ? std::min<int64_t>(config.context_length(),
                                                  span.kv_cache->capacity())
                              : config.context_length();
    if (past + span.length > limit)
      throw Error(
          "a sequence of {} tokens is longer than the {} there is room "
          "for (context length {})",
          past + span.length, limit, config.context_length());
  }
  if (covered != static_cast<int64_t>(tokens.size()))
    throw Error("spans cover {} of {} tokens", covered, tokens.size());
}

void Decoder::State::place(const Batch& batch) {
  sequences.assign(batch.spans.begin(), batch.spans.end());
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
    if (span.kv_cache != nullptr) span.kv_cache->reserve(past + span.length);
    if (past + span.length > rope.positions())
      reach(
          std::min<int64_t>(config.context_length(), 2 * (past + span.length)));
    for (int32_t i = 0; i < span.length; ++i)
      positions[static_cast<size_t>(int64_t{span.begin} + i)] =
          static_cast<int32_t>(past + i);
  }

  embedding_forward(activations.layers[0].input.rows_from(0, n), tokens.data(),
                    weights.embed_tokens, embedding_scale);
  put_own_rows(tokens);
  const size_t depth = activations.layers.size();
  for (size_t l = 0; l < depth; ++l)
    forward_layer(l, l + 1 < depth ? activations.layers[l + 1].input
                                   : activations.output);
  for (const SequenceSpan& span : sequences)
    if (span.kv_cache != nullptr)
      span.kv_cache->truncate(span.kv_cache->length() + span.length);
  rmsnorm_forward(activations.output_norm.rows_from(0, rows),
                  activations.output_rstd,
                  activations.output.rows_from(0, rows), weights.norm, norm);
  return activations.output_norm.rows_from(0, n);
}

// Without an output the layer is computed again for the backward, which has
// the output already.
void Decoder::State::forward_layer(size_t l, Tensor output) {
  const LayerWeights& w = weights.layers[l];
  const LayerActivations& a = activations.layers[l];
  const auto use = [&](Tensor t) { return t.rows_from(0, rows); };
  const Tensor q = q_of(use(a.qkv)), k = k_of(use(a.qkv));

  rmsnorm_forward(use(a.input_norm), a.input_rstd, use(a.input),
                  w.input_layernorm, norm);
  project(use(a.qkv), use(a.input_norm), {w.q_proj, w.k_proj, w.v_proj});
  lora.forward(q, use(a.input_norm), w.lora(Linear::q_proj));
  lora.forward(k, use(a.input_norm), w.lora(Linear::k_proj));
  lora.forward(v_of(use(a.qkv)), use(a.input_norm), w.lora(Linear::v_proj));
  if (w.q_bias) {
    bias_forward(q, w.q_bias);
    bias_forward(k, w.k_bias);
    bias_forward(v_of(use(a.qkv)), w.v_bias);
  }
  if (w.q_norm) normalize_heads(w, a);
  rope_forward(q, positions.data(), rope_of(l));
  rope_forward(k, positions.data(), rope_of(l));
  attend(l, a);
  if (a.post_attention.data != a.input.data)
    convert(use(a.post_attention), use(a.input));
  add_branch(use(a.post_attention), use(a.attention), w.o_proj,
             w.lora(Linear::o_proj), a.attention_output,
             a.attention_output_rstd, w.attention_norm);

  rmsnorm_forward(use(a.post_attention_norm), a.post_attention_rstd,
                  use(a.post_attention), w.mlp_layernorm, norm);
  project(use(a.gate_up), use(a.post_attention_norm), {w.gate_proj, w.up_proj});
  lora.forward(gate_of(use(a.gate_up)), use(a.post_attention_norm),
               w.lora(Linear::gate_proj));
  lora.forward(up_of(use(a.gate_up)), use(a.post_attention_norm),
               w.lora(Linear::up_proj));
  glu_forward(use(a.glu), use(a.gate_up), config.hidden_act);
  if (output && output.data != a.post_attention.data)
    convert(use(output), use(a.post_attention));
  add_branch(output ? use(output) : Tensor(), use(a.glu), w.down_proj,
             w.lora(Linear::down_proj), a.mlp_output, a.mlp_output_rstd,
             w.mlp_norm);
}

// What the backward needs to know of q and k before is put aside; in use they
// are normalized in place.
void Decoder::State::normalize_heads(const LayerWeights& w,
                                     const LayerActivations& a) {
  const Tensor after = a.qkv.rows_from(0, rows);
  Tensor before = after;
  if (a.qk) {
    before = a.qk.rows_from(0, rows);
    convert(before, after.cols_from(0, before.cols));
  }
  rmsnorm_forward(q_of(after), a.q_rstd, q_of(before), w.q_norm, norm);
  rmsnorm_forward(k_of(after), a.k_rstd, k_of(before), w.k_norm, norm);
}

// stream += x·wᵀ, or a norm of it where the family has one. Without a stream
// only what the norm's backward needs is computed.
void Decoder::State::add_branch(Tensor stream, Tensor x, Tensor w,
                                const std::vector<Lora>& loras, Tensor branch,
                                float* rstd, Tensor branch_norm) const {
  if (branch_norm) {
    branch = branch.rows_from(0, rows);
    linear(branch, x, w);
    lora.forward(branch, x, loras);
    rmsnorm_forward(stream, rstd, branch, branch_norm, norm, true);
  } else if (stream) {
    linear(stream, x, w, true);
    lora.forward(stream, x, loras);
  }
}

// The gradient of x·wᵀ in add_branch.
void Decoder::State::branch_gradient(Tensor dbranch, Tensor dstream,
                                     Tensor dbranch_norm, Tensor branch,
                                     const float* rstd,
                                     Tensor branch_norm) const {
  if (branch_norm)
    rmsnorm_backward(dbranch, dbranch_norm, dstream, branch.rows_from(0, rows),
                     branch_norm, rstd, norm);
  else
    convert(dbranch, dstream);
}

void Decoder::State::attend(size_t l, const LayerActivations& a) {
  const Tensor k = k_of(a.qkv), v = v_of(a.qkv);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const SequenceSpan& s = sequences[i];
    AttentionSpan& to = attention_spans[i];
    const Tensor keys = k.rows_from(s.begin, s.length);
    const Tensor values = v.rows_from(s.begin, s.length);
    if (s.kv_cache == nullptr) {
      to = {s.begin,  s.length,   keys.data,   values.data,
            s.length, keys.dtype, keys.stride, config.head_dim};
      continue;
    }
    KvCache& cache = *s.kv_cache;
    const int64_t layer = static_cast<int64_t>(l);
    cache.append(layer, keys, values);
    const Tensor cached = cache.keys(layer);
    to = {s.begin,
          s.length,
          cached.data,
          cache.values(layer).data,
          cache.length() + s.length,
          cached.dtype,
          config.head_dim,
          cache.room() * config.head_dim};
  }
  attention_forward(a.attention.rows_from(0, rows), a.lse,
                    q_of(a.qkv).rows_from(0, rows), attention_spans,
                    shape_of(l));
}

// Of the losses, weighed as loss_weights says.
Loss Decoder::State::backward(const Batch& batch, Tensor hidden,
                              const Weights& into, const Teacher& teacher,
                              const GradientsReady& ready) {
  const Loss loss = head.accumulate_gradients(batch, hidden, output_gradient,
                                              into, loss_weights, teacher);
  const Tensor dx = gradients->residual.rows_from(0, rows);
  std::memset(dx.data, 0, static_cast<size_t>(dx.size()) * sizeof(float));
  rmsnorm_backward(dx, into.norm, output_gradient.view().rows_from(0, rows),
                   activations.output.rows_from(0, rows), weights.norm,
                   activations.output_rstd, norm, true);
  const size_t depth = activations.layers.size();
  if (ready) ready(static_cast<int64_t>(depth));
  for (size_t l = depth; l-- > 0;) {
    // The last layer's activations are still there from the forward.
    if (keep == Keep::inputs && l + 1 < depth) forward_layer(l, {});
    backward_layer(l, into);
    if (ready) ready(static_cast<int64_t>(l));
  }
  if (into.embed_tokens)
    embedding_backward(into.embed_tokens, batch.tokens.data(), dx,
                       embedding_scale);
  own_rows_backward(batch.tokens, dx, into);
  lora.draw_dropout(0);
  return loss;
}

// Reads upward through forward_layer: what came last there comes first here.
void Decoder::State::backward_layer(size_t l, const Weights& into) {
  const LayerWeights& w = weights.layers[l];
  const LayerWeights& dw = into.layers[l];
  const LayerActivations& a = activations.layers[l];
  const Gradients& d = *gradients;
  const auto use = [&](Tensor t) { return t.rows_from(0, rows); };
  const Tensor dx = use(d.residual), dx_act = use(d.residual_act);

  branch_gradient(dx_act, dx, dw.mlp_norm, a.mlp_output, a.mlp_output_rstd,
                  w.mlp_norm);
  project_backward(use(d.glu), {dw.down_proj}, dx_act, use(a.glu),
                   {w.down_proj});
  lora.backward(use(d.glu), dx_act, use(a.glu), w.lora(Linear::down_proj),
                dw.lora(Linear::down_proj));
  glu_backward(use(d.gate_up), use(d.glu), use(a.gate_up), config.hidden_act);
  project_backward(use(d.norm), {dw.gate_proj, dw.up_proj}, use(d.gate_up),
                   use(a.post_attention_norm), {w.gate_proj, w.up_proj});
  lora.backward(use(d.norm), gate_of(use(d.gate_up)),
                use(a.post_attention_norm), w.lora(Linear::gate_proj),
                dw.lora(Linear::gate_proj));
  lora.backward(use(d.norm), up_of(use(d.gate_up)), use(a.post_attention_norm),
                w.lora(Linear::up_proj), dw.lora(Linear::up_proj));
  rmsnorm_backward(dx, dw.mlp_layernorm, use(d.norm), use(a.post_attention),
                   w.mlp_layernorm, a.post_attention_rstd, norm, true);

  branch_gradient(dx_act, dx, dw.attention_norm, a.attention_output,
                  a.attention_output_rstd, w.attention_norm);
  project_backward(use(d.attention), {dw.o_proj}, dx_act, use(a.attention),
                   {w.o_proj});
  lora.backward(use(d.attention), dx_act, use(a.attention),
                w.lora(Linear::o_proj), dw.lora(Linear::o_proj));
  const Tensor qkv = use(a.qkv), dqkv = use(d.qkv);
  const Tensor dq = q_of(dqkv), dk = k_of(dqkv), dv = v_of(dqkv);
  attention_backward(dq, dk, dv, use(d.attention), use(a.attention), a.lse,
                     q_of(qkv), k_of(qkv), v_of(qkv), attention_spans,
                     shape_of(l));
  rope_backward(dq, positions.data(), rope_of(l));
  rope_backward(dk, positions.data(), rope_of(l));
  if (w.q_norm) {
    rmsnorm_backward(dq, dw.q_norm, dq, q_of(use(a.qk)), w.q_norm, a.q_rstd,
                     norm);
    rmsnorm_backward(dk, dw.k_norm, dk, k_of(use(a.qk)), w.k_norm, a.k_rstd,
                     norm);
  }
  if (dw.q_bias) {
    bias_backward(dw.q_bias, dq);
    bias_backward(dw.k_bias, dk);
    bias_backward(dw.v_bias, dv);
  }
  project_backward(use(d.norm), {dw.q_proj, dw.k_proj, dw.v_proj}, dqkv,
                   use(a.input_norm), {w.q_proj, w.k_proj, w.v_proj});
  lora.backward(use(d.norm), dq, use(a.input_norm), w.lora(Linear::q_proj),
                dw.lora(Linear::q_proj));
  lora.backward(use(d.norm), dk, use(a.input_norm), w.lora(Linear::k_proj),
                dw.lora(Linear::k_proj));
  lora.backward(use(d.norm), dv, use(a.input_norm), w.lora(Linear::v_proj),
                dw.lora(Linear::v_proj));
  rmsnorm_backward(dx, dw.input_layernorm, use(d.norm), use(a.input),
                   w.input_layernorm, a.input_rstd, norm, true);
}

// The embeddings of tokens that have rows of their own.
void Decoder::State::put_own_rows(std::span<const int32_t> tokens) {
  const Tensor x = activations.layers[0].input;
  for (const TokenRows& own : weights.embed_rows)
    for (size_t i = 0; i < tokens.size(); ++i) {
      const int64_t row = own.row_of(tokens[i]);
      if (row < 0) continue;
      const Tensor to = x.rows_from(static_cast<int64_t>(i), 1);
      convert(to, own.rows.rows_from(row, 1));
      for (int64_t c = 0; c < to.cols; ++c)
        to.row<float>(0)[c] *= embedding_scale;
    }
}

// Adds the gradient of the last list's.
void Decoder::State::own_rows_backward(std::span<const int32_t> tokens,
                                       Tensor dx, const Weights& into) const {
  if (into.embed_rows.empty()) return;
  const TokenRows& own = into.embed_rows.back();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int64_t row = own.row_of(tokens[i]);
    if (row < 0) continue;
    const float* from = dx.row<float>(static_cast<int64_t>(i));
    for (int64_t c = 0; c < dx.cols; ++c)
      own.rows.row<float>(row)[c] += embedding_scale * from[c];
  }
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
  state_->head.logits(out, hidden);
}

Loss Decoder::evaluate(const Batch& batch, float* losses) {
  State& s = *state_;
  s.place(batch);
  return s.head.evaluate(batch, s.forward(batch.tokens), losses);
}

Loss Decoder::accumulate_gradients(const Batch& batch, const Weights& gradients,
                                   float scale, const Teacher& teacher,
                                   const GradientsReady& ready) {
  State& s = *state_;
  s.place(batch);
  s.lora.draw_dropout(batch.seed, batch.first_token);
  const Tensor hidden = s.forward(batch.tokens);
  s.loss_weights.assign(batch.tokens.size(), scale);
  return s.backward(batch, hidden, gradients, teacher, ready);
}

Loss Decoder::accumulate_gradients(const Batch& batch, const Weights& gradients,
                                   const WeighLosses& weigh,
                                   const Teacher& teacher,
                                   const GradientsReady& ready) {
  State& s = *state_;
  s.place(batch);
  s.lora.draw_dropout(batch.seed, batch.first_token);
  const Tensor hidden = s.forward(batch.tokens);
  s.losses.resize(batch.tokens.size());
  s.loss_weights.assign(batch.tokens.size(), 0);
  s.head.evaluate(batch, hidden, s.losses.data());
  weigh(s.losses, s.loss_weights);
  return s.backward(batch, hidden, gradients, teacher, ready);
}

int64_t Decoder::bytes_needed(const ModelConfig& config, Dtype act,
                              int64_t max_tokens, Keep keep,
                              int64_t lora_rank) {
  const auto wide = static_cast<int64_t>(size_of(act));
  return Activations::bytes_needed(config, max_tokens, act, keep) +
         (keep == Keep::nothing
              ? 0
              : Gradients::bytes_needed(config, max_tokens, act) +
                    max_tokens * config.hidden_size * wide) +
         Head::bytes_needed(config, act, max_tokens) +
         LoraProducts::bytes_needed(act, max_tokens, lora_rank);
}

int64_t Decoder::bytes() const {
  const State& s = *state_;
  return s.activations.bytes + (s.gradients ? s.gradients->bytes : 0) +
         s.head.bytes() + static_cast<int64_t>(s.output_gradient.bytes()) +
         s.lora.bytes();
}

}  // namespace seodang
