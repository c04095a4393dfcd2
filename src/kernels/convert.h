// Copies between dtypes, row by row: out (N,C) = in (N,C). f32, bf16 and f16
// in; f32 and bf16 out, rounded to nearest even.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

void convert(Tensor out, Tensor in);
// The same on the calling thread.
void convert_row(Tensor out, Tensor in);

}  // namespace seodang
