#include "model/lora.h"

#include <algorithm>

#include "base/rng.h"
#include "kernels/convert.h"
#include "kernels/dropout.h"
#include "kernels/matmul.h"

namespace seodang {

LoraProducts::LoraProducts(Dtype act, int64_t tokens, int64_t rank)
    : act_(act), sums_(Dtype::f32, tokens, rank), hidden_(act, tokens, rank) {}

// Returns scale · sums in the dtype of activations, valid until the next.
Tensor LoraProducts::scaled(Tensor sums, float scale) const {
  float* at = sums.row<float>(0);
  for (int64_t i = 0; i < sums.size(); ++i) at[i] *= scale;
  if (act_ == Dtype::f32) return sums;
  const Tensor out(hidden_.view().data, act_, sums.rows, sums.cols);
  convert(out, sums);
  return out;
}

// scale · x·aᵀ (N, rank)
Tensor LoraProducts::reduced(Tensor x, const Lora& lora) const {
  const Tensor sums(sums_.view().data, Dtype::f32, x.rows, lora.a.rows);
  linear_forward(sums, x, lora.a);
  return scaled(sums, lora.scale);
}

// x, or a copy without what is dropped, valid until the next.
Tensor LoraProducts::dropped(Tensor x, const Lora& lora) const {
  if (!drops(lora)) return x;
  if (inputs_.view().size() < x.size())
    inputs_ = OwnedTensor(act_, 1, x.size());
  const Tensor out(inputs_.view().data, act_, x.rows, x.cols);
  dropout(out, x, lora.dropout, mix_bits(seed_, lora.id), first_row_);
  return out;
}

void LoraProducts::forward(Tensor y, Tensor x,
                           const std::vector<Lora>& loras) const {
  for (const Lora& lora : loras)
    linear_forward(y, reduced(dropped(x, lora), lora), lora.b, true);
}

void LoraProducts::backward(Tensor dx, Tensor dy, Tensor x,
                            const std::vector<Lora>& loras,
                            const std::vector<Lora>& into) const {
  for (const Lora& lora : loras) {
    const bool learns = !into.empty() && &lora == &loras.back();
    const Tensor seen = dropped(x, lora);
    if (learns) linear_backward_weight(into.back().b, dy, reduced(seen, lora));
    const Tensor sums(sums_.view().data, Dtype::f32, dy.rows, lora.b.cols);
    linear_backward_input(sums, dy, lora.b);
    const Tensor dreduced = scaled(sums, lora.scale);
    if (learns) linear_backward_weight(into.back().a, dreduced, seen);
    if (!drops(lora)) {
      linear_backward_input(dx, dreduced, lora.a, true);
      continue;
    }
    // What was seen is no longer needed.
    linear_backward_input(seen, dreduced, lora.a);
    dropout(dx, seen, lora.dropout, mix_bits(seed_, lora.id), first_row_, true);
  }
}

int64_t LoraProducts::bytes() const {
  return static_cast<int64_t>(sums_.bytes() + hidden_.bytes() +
                              inputs_.bytes());
}

int64_t LoraProducts::bytes_needed(Dtype act, int64_t tokens, int64_t rank) {
  return tokens * rank * static_cast<int64_t>(sizeof(float) + size_of(act));
}

int64_t largest_rank(const Weights& weights) {
  int64_t rank = 0;
  const auto see = [&](const std::vector<Lora>& loras) {
    for (const Lora& lora : loras) rank = std::max(rank, lora.a.rows);
  };
  see(weights.lm_head_loras);
  for (const LayerWeights& layer : weights.layers)
    for (const auto& loras : layer.loras) see(loras);
  return rank;
}

}  // namespace seodang
