// y = x·Wᵀ, W in blocks (tensor/blocks.h), which stays as it is.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`. x f32 or bf16, y either.
// x is rounded to int8, a scale for each 32 numbers; products with the numbers
// of a block that share a scale are added up as integers, those sums in f32.
// Each number of w is unpacked once for all rows. A row of y does not depend on
// what other rows there are, nor on the number of threads.
void quantized_matmul(Tensor y, Tensor x, Tensor w, bool add = false);

}  // namespace seodang
