// y = x·Wᵀ for few rows of x, W in blocks (tensor/blocks.h), which stays as it
// is.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`. x f32 or bf16, y either.
// x is rounded to int8, a scale for each 32 numbers, its products with the
// blocks are summed as integers, and those sums in f32. Same bytes for the same
// number of threads.
void quantized_matvec(Tensor y, Tensor x, Tensor w, bool add = false);

}  // namespace seodang
