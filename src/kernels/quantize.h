// Numbers into blocks and back (formats: tensor/blocks.h).
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// out (N,C) f32 or bf16 = in (N,C) in blocks, bit for bit as the formats define
// it (bf16: rounded to nearest even). On the calling thread; convert() does the
// same on all.
void dequantize(Tensor out, Tensor in);

// out (N,C) in blocks ≈ in (N,C) f32. Scales are searched that minimise
// Σ w·(x - y)² over each group, w = |x| + rms of the group: large weights
// matter more, none is free to err. C is a multiple of the block's size.
// Written are Q8_0, Q6_K, Q5_0, Q4_K and Q4_0; Error for the others. Numbers
// that are not finite become 0.
void quantize(Tensor out, Tensor in);

}  // namespace seodang
