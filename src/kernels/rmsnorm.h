// Root-mean-square layer normalization; Zhang & Sennrich, "Root Mean Square
// Layer Normalization", 2019, eq. 4:
//   y = x / sqrt(mean(x²) + eps) ⊙ (weight_offset + weight).
// A row that is wider than the weight is several groups (the heads of q or k),
// each normalized by itself with the same weight.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

struct RmsNorm {
  float eps = 0;
  float weight_offset = 0;  // 1 in Gemma
};

// out = norm(x), or += when `add`. out, x (N,G·H) f32 or bf16, which may be the
// same memory; weight (1,H) f32 or bf16. rstd (N,G) f32 receives
// 1/sqrt(mean(x²)+eps) for the backward; may be null. Without out only rstd is
// computed.
void rmsnorm_forward(Tensor out, float* rstd, Tensor x, Tensor weight,
                     const RmsNorm& norm, bool add = false);

// dx (N,G·H) is written, or added to when `add` (the residual branch has its
// own gradient there); dweight (1,H) f32 is added to, and
// may be none where the weight does not learn. dx, dout, x f32 or bf16,
// dx may be the memory of dout; weight, rstd as in the forward. Sums over rows
// are made in blocks of fixed size, so the result does not depend on the number
// of threads.
void rmsnorm_backward(Tensor dx, Tensor dweight, Tensor dout, Tensor x,
                      Tensor weight, const float* rstd, const RmsNorm& norm,
                      bool add = false);

}  // namespace seodang
