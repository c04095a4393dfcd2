// Matrix products, all of them oneDNN's. A linear layer is y = x·Wᵀ with
// W (out_features, in_features) as Hugging Face stores it; its two backward
// products stand beside it. Sums are accumulated in f32.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`. x and w of one dtype (f32 or
// bf16), or w in blocks (quantized_matmul.h); y f32 or x's dtype.
void linear_forward(Tensor y, Tensor x, Tensor w, bool add = false);
// dx (N,I) = dy (N,O) · w (O,I), or += when `add`.
void linear_backward_input(Tensor dx, Tensor dy, Tensor w, bool add = false);
// dw (O,I) f32 += dy (N,O)ᵀ · x (N,I).
void linear_backward_weight(Tensor dw, Tensor dy, Tensor x);

// bf16 where this processor has instructions for its products (AVX512-BF16,
// AMX), f32 elsewhere.
Dtype fastest_product_dtype();

// FLOP/s of the fastest large product of this dtype that was seen in about a
// fifth of a second: the limit that training is measured against.
double measure_product_peak(Dtype dtype);

}  // namespace seodang
