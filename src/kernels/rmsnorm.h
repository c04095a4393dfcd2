// Root-mean-square layer normalization; Zhang & Sennrich, "Root Mean Square
// Layer Normalization", 2019, eq. 4:  y = x / sqrt(mean(x²) + eps) ⊙ weight.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// out (N,H) f32 or bf16; x (N,H) f32; weight (1,H) f32 or bf16.
// rstd (N) f32 receives 1/sqrt(mean(x²)+eps) for the backward; may be null.
void rmsnorm_forward(Tensor out, float* rstd, Tensor x, Tensor weight,
                     float eps);

// dx (N,H) f32 is added to (the residual branch has its own gradient there);
// dweight (1,H) f32 is added to. dout (N,H) f32 or bf16; x, weight, rstd as in
// the forward. Sums over rows are made in blocks of fixed size, so the result
// does not depend on the number of threads.
void rmsnorm_backward(Tensor dx, Tensor dweight, Tensor dout, Tensor x,
                      Tensor weight, const float* rstd);

}  // namespace seodang
