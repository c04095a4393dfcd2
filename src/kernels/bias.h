// The bias of a linear layer, y = x·Wᵀ + b, behind its product.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// y (N,O) += bias (1,O) in each row; y and bias f32 or bf16.
void bias_forward(Tensor y, Tensor bias);
// dbias (1,O) f32 += Σ rows of dy (N,O), f32 or bf16. Rows are added in order
// for every thread count.
void bias_backward(Tensor dbias, Tensor dy);

}  // namespace seodang
