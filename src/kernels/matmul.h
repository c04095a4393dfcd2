// Matrix products, oneDNN's but for those of few rows (matvec.h) and those with
// blocks in use (quantized_matmul.h). A linear layer is y = x·Wᵀ with W
// (out_features, in_features) as Hugging Face stores it; its two backward
// products stand beside it.
//
// Operands may have any dtype on any processor. A product is computed in bf16
// where the activations (x, dy) are bf16 and the processor has instructions for
// it, else in f32; an operand of another dtype is converted, W a tile at a
// time. Sums are f32, and rounded once. Throws Error naming shapes and dtypes
// where oneDNN has no such product.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) = x (N,I) · w (O,I)ᵀ, or += when `add`. x and y f32 or bf16, w of any
// dtype.
void linear_forward(Tensor y, Tensor x, Tensor w, bool add = false);
// linear_forward() where no gradient will be asked for: if w is in blocks, x is
// rounded to int8, a scale for each 32 numbers (quantized_matmul.h). Where AMX
// multiplies bf16 faster than that, it does from kTiledRows rows on. Of up to
// kMatvecRows rows (matvec.h), and in blocks of fewer than kTiledRows, each has
// the same bits whatever their number.
void linear_inference(Tensor y, Tensor x, Tensor w, bool add = false);
inline constexpr int64_t kTiledRows = 256;
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
