// y = x·Wᵀ for few rows of x, straight from W's memory: what writing one token
// costs is reading the weights once.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// Up to this many rows a product in tiles (matmul.h) is slower.
inline constexpr int64_t kMatvecRows = 8;

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`; N ≤ kMatvecRows. w, x and
// y f32 or bf16, w f16 too. Products and sums are f32; a row of y does not
// depend on how many there are, nor on the number of threads.
void matvec(Tensor y, Tensor x, Tensor w, bool add = false);

}  // namespace seodang
