// Muon, for the matrices between embedding and logits: momentum whose singular
// values are all brought near 1 before it moves the weights. Jordan et al.,
// "Muon: An optimizer for hidden layers in neural networks", 2024; the size of
// a step as in Liu et al., "Muon is Scalable for LLM Training", 2025, eq. 4, so
// that one learning rate fits it and AdamW, which trains the rest.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

struct MuonOptions {
  float learning_rate = 0, momentum = 0.95f, weight_decay = 0;
  float grad_scale = 1;  // multiplies the gradient first (clipping)
};

// Keeps the memory that a step works in.
class Muon {
 public:
  // Products are made in `dtype`, f32 or bf16.
  explicit Muon(Dtype dtype) : dtype_(dtype) {}

  // X (rows, cols) f32 becomes about U·Vᵀ of its singular value decomposition
  // U·S·Vᵀ: five steps of X ← aX + (bA + cA²)X, A = XXᵀ (Newton–Schulz, with
  // Jordan's a, b, c), begun at X / ‖X‖. Singular values end between 0.7 and
  // 1.2; those below a hundredth of ‖X‖ stay smaller.
  void orthogonalize(Tensor x);

  // One step for one matrix. Tensors are f32 and of one shape; weight_bf16
  // receives the rounded new weights where it is not empty.
  //   momentum ← μ·momentum + (1−μ)·g,  u = (1−μ)·g + μ·momentum  (Nesterov)
  //   weight ← weight − lr·(0.2·√max(rows, cols)·orthogonalize(u) +
  //                         decay·weight)
  // grad is set to zero, ready for the next accumulation.
  void step(Tensor weight, Tensor weight_bf16, Tensor momentum, Tensor grad,
            const MuonOptions& options);

 private:
  Dtype dtype_;
  Buffer factor_, gram_, polynomial_, sums_, squares_;
};

}  // namespace seodang
