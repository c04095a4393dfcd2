// y = x·Wᵀ for many rows of x, W in blocks (tensor/blocks.h).
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`. x f32 or bf16, y either.
// x is rounded as in quantized_matvec.h; the numbers of w are unpacked once for
// all rows, a tile at a time that stays in the cache, and multiplied as whole
// numbers. A row of y does not depend on what other rows there are, nor on the
// number of threads.
void quantized_matmul(Tensor y, Tensor x, Tensor w, bool add = false);

// Whether this processor has the instructions (x86 from AVX2 on).
bool has_quantized_matmul();

// Rows from which on it is faster than quantized_matvec().
inline constexpr int64_t kQuantizedMatmulRows = 12;

}  // namespace seodang
