// Copies between dtypes, row by row: out (N,C) = in (N,C), rounded to nearest
// even. Blocks come in, and go out only of the same format (as bytes); into
// another see kernels/quantize.h.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

void convert(Tensor out, Tensor in);
// The same on the calling thread.
void convert_row(Tensor out, Tensor in);

}  // namespace seodang
