// The end of the decoder: from hidden states to logits and losses, and back.
// Rows go through a block at a time, so that no (tokens × vocab_size) matrix is
// in memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "model/config.h"
#include "model/lora.h"
#include "model/weights.h"

namespace seodang {

class Decoder;  // model/decoder.h

struct Loss {
  double sum = 0;      // Σ -log p(target), in nats
  int64_t tokens = 0;  // targets that were not ignored
  double mean() const { return tokens > 0 ? sum / tokens : 0; }

  // Of distilled tokens, which are not among those above.
  double divergence = 0;  // Σ KL(teacher ‖ model), in nats
  int64_t distilled = 0;
  double mean_divergence() const {
    return distilled > 0 ? divergence / distilled : 0;
  }

  void add(const Loss& other);
};

// What Batch::distilled tokens are compared with: a decoder of a model with the
// same vocabulary and activations of the same dtype.
struct Teacher {
  Decoder* decoder = nullptr;
  float scale = 0;  // of the divergence, in the loss
};

class Head {
 public:
  // `lora` computes the updates of lm_head. Config, weights and lora must
  // outlive it. What losses need is allocated when the first are asked for,
  // what gradients need at once if it `trains`.
  Head(const ModelConfig& config, const Weights& weights,
       const LoraProducts& lora, int64_t max_tokens, bool trains);

  // logits (R, vocab_size) f32 of any R rows of hidden states.
  void logits(Tensor out, Tensor hidden) const;

  // -log p(target) of each token, 0 where ignored; losses (N) may be null.
  // hidden (N, hidden_size).
  Loss evaluate(const Batch& batch, Tensor hidden, float* losses);

  // Writes the gradient of Σ weight · -log p(target) to dhidden (N,
  // hidden_size) and adds that of lm_head and its updates to `gradients`;
  // weights (N) are the tokens'. Of the first batch.distilled tokens, if there
  // is a teacher, it is the gradient of teacher.scale · KL(teacher ‖ model).
  Loss accumulate_gradients(const Batch& batch, Tensor hidden, Tensor dhidden,
                            const Weights& gradients,
                            std::span<const float> weights,
                            const Teacher& teacher);

  int64_t bytes() const;
  static int64_t bytes_needed(const ModelConfig& config, Dtype act,
                              int64_t max_tokens);

 private:
  void allocate();
  void take_own_dlogits();
  void own_rows_backward(const Weights& gradients);
  template <class Block>
  Loss for_each_block(const Batch& batch, Tensor hidden, int32_t distilled,
                      float* losses, Block&& block);
  Tensor gather(const OwnedTensor& to, Tensor hidden, int64_t first,
                int64_t count) const;

  const ModelConfig& config_;
  const Weights& weights_;
  const LoraProducts& lora_;
  Dtype act_;
  bool trains_;
  int64_t block_rows_;
  OwnedTensor hidden_, logits_, dlogits_, dhidden_;
  OwnedTensor teacher_hidden_, teacher_logits_;  // when there is a teacher
  // Of tokens with rows of their own, list behind list: their logits, and when
  // it trains the gradients of these.
  OwnedTensor own_logits_, own_dlogits_;
  std::vector<float> losses_, loss_weights_;  // of a block's rows
  std::vector<int32_t> targets_;
  std::vector<int32_t> rows_;  // of the batch, those that carry loss
};

}  // namespace seodang
