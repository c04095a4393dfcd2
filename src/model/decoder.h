// The transformer: one forward for training and for use, and its backward.
//   x₀ = embed(tokens);  x ← x + o(attention(rope(qkv(norm(x)))));
//   x ← x + down(glu(gate_up(norm(x))));  logits = lm_head(norm(x))
// Touvron et al., "LLaMA", 2023, section 2.2. What other families add (biases,
// norms of heads and of branches, windows, caps) is there when ModelConfig and
// the weights have it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "data/batch.h"
#include "model/activations.h"
#include "model/head.h"
#include "model/kv_cache.h"
#include "model/model.h"

namespace seodang {

// Gives each token's -log p(target) its weight in the loss, knowing all of them
// (0 where ignored); both are (N).
using WeighLosses = std::function<void(std::span<const float> losses,
                                       std::span<float> weights)>;

// Called in a backward as soon as the gradients of a layer are complete, from
// the last to the first; before those, with num_hidden_layers, when the last
// norm's and an untied lm_head's are. The embedding's come last of all.
using GradientsReady = std::function<void(int64_t layer)>;

class Decoder {
 public:
  // Works on up to `max_tokens` tokens at once. Activations have the dtype of
  // the weights (the residual stream is always f32). `weights` must outlive it.
  // All memory is allocated here; bytes() tells how much.
  Decoder(const ModelConfig& config, const Weights& weights, int64_t max_tokens,
          Keep keep = Keep::nothing);
  ~Decoder();
  Decoder(Decoder&&) noexcept;

  // Hidden states (N, hidden_size) behind the last norm, valid until the next
  // call. The spans cover tokens [0,N). Throws Error when a sequence grows past
  // context_length() or its cache, or N past max_tokens, or a token is outside
  // the vocabulary.
  Tensor forward(std::span<const int32_t> tokens,
                 std::span<const SequenceSpan> spans);

  // logits (R, vocab_size) f32 of any R rows of hidden states.
  void logits(Tensor out, Tensor hidden) const;

  // -log p(target) of each token of the batch given those before it in its span
  // (0 where ignored); losses (N).
  Loss evaluate(const Batch& batch, float* losses = nullptr);

  // One forward and backward (Keep::inputs or Keep::all): adds the gradient of
  // scale · Σ -log p(target) to `gradients` (f32, laid out like the weights).
  // Weights whose gradient has no memory do not learn; of a linear layer's
  // low-rank updates, the last learns where `gradients` has one. With a
  // teacher, the first batch.distilled tokens count
  // teacher.scale · KL(teacher ‖ model) instead.
  Loss accumulate_gradients(const Batch& batch, const Weights& gradients,
                            float scale, const Teacher& teacher = {},
                            const GradientsReady& ready = {});
  // The gradient of Σ weight · -log p(target), for losses that look at more
  // than one token: the weights are constants of the gradient.
  Loss accumulate_gradients(const Batch& batch, const Weights& gradients,
                            const WeighLosses& weigh,
                            const Teacher& teacher = {},
                            const GradientsReady& ready = {});

  // Bytes of activations and gradients; weights are not counted.
  int64_t bytes() const;
  // What that would be for a decoder that trains, or reads a batch with losses
  // (Keep::nothing), with updates of up to `lora_rank` (0: none).
  static int64_t bytes_needed(const ModelConfig& config, Dtype act,
                              int64_t max_tokens, Keep keep, int64_t lora_rank);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seodang
