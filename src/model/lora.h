// The products of low-rank updates (model/weights.h, Lora), forward and
// backward, beside the linear layer that they update.
#pragma once

#include <cstdint>
#include <vector>

#include "model/weights.h"

namespace seodang {

// Keeps the memory that they compute in; activations are of dtype `act`.
class LoraProducts {
 public:
  // For up to `tokens` rows and updates of up to `rank`; 0: there are none.
  LoraProducts(Dtype act, int64_t tokens, int64_t rank);

  // What is dropped of inputs until the next call is drawn with `seed`, rows
  // counted from `first_row`; 0: nothing is.
  void draw_dropout(uint64_t seed, int64_t first_row = 0) {
    seed_ = seed;
    first_row_ = first_row;
  }

  // y (N, out) += Σ scale · (x·aᵀ)·bᵀ; x (N, in).
  void forward(Tensor y, Tensor x, const std::vector<Lora>& loras) const;
  // Adds to dx (N, in) what comes through the updates, and the gradient of the
  // last to that of `into`, f32, if it is not empty.
  void backward(Tensor dx, Tensor dy, Tensor x, const std::vector<Lora>& loras,
                const std::vector<Lora>& into) const;

  int64_t bytes() const;
  static int64_t bytes_needed(Dtype act, int64_t tokens, int64_t rank);

 private:
  Tensor scaled(Tensor sums, float scale) const;
  Tensor reduced(Tensor x, const Lora& lora) const;
  bool drops(const Lora& lora) const { return seed_ != 0 && lora.dropout > 0; }
  Tensor dropped(Tensor x, const Lora& lora) const;

  Dtype act_;
  uint64_t seed_ = 0;
  int64_t first_row_ = 0;
  mutable OwnedTensor inputs_;  // where they are dropped from, a copy
  OwnedTensor sums_, hidden_;  // x·aᵀ as it is summed, and as products take it
};

// Of all updates; 0 where there are none.
int64_t largest_rank(const Weights& weights);

}  // namespace seodang
