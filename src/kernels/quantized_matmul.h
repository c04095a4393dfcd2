// y = x·Wᵀ with W in blocks (tensor/blocks.h), which stays as it is.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`. x f32 or bf16, y either.
//
// Few rows (decode): x is rounded to int8, a scale for each 32 numbers, its
// products with the blocks are summed as integers, and those sums in f32. Many
// rows (prefill): a tile of W at a time becomes numbers of x's dtype, and
// oneDNN multiplies. Same bytes for the same number of threads.
void quantized_linear_forward(Tensor y, Tensor x, Tensor w, bool add = false);

// Rows from which on the second way is taken.
inline constexpr int64_t kQuantizedPrefillRows = 24;

}  // namespace seodang
