// Dropout (Srivastava et al., 2014): numbers that a gradient step does without.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

// out = x / (1 - p) where a number is kept, and 0 where it is not, which is so
// with probability p, in [0, 1); or added to `out`. x and out (N, C) of one
// shape, each f32 or bf16. What is kept is a function of `key`, row (counted
// from `first_row`) and column alone, so a backward and a recomputed forward
// see the same.
void dropout(Tensor out, Tensor x, float p, uint64_t key, int64_t first_row,
             bool add = false);

}  // namespace seodang
