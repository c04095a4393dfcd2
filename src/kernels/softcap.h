// Soft-capping of logits; Bello et al., "Neural Combinatorial Optimization",
// 2016, eq. 16, as Gemma 2 uses it:  y = cap · tanh(x / cap).
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// x (N,C) f32, in place.
void softcap_forward(Tensor x, float cap);
// dx (N,C) f32 or bf16, in place: dx ← dx ⊙ (1 − (y/cap)²), y (N,C) f32 as the
// forward left it.
void softcap_backward(Tensor dx, Tensor y, float cap);

}  // namespace seodang
