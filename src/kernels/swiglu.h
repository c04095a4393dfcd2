// SwiGLU without the products; Shazeer, "GLU Variants Improve Transformer",
// 2020, eq. 6:  y = silu(gate) ⊙ up,  silu(z) = z / (1 + exp(-z)).
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// out (N,I); gate_up (N,2I): gate in the first I columns, up in the last I.
// Both f32 or both bf16.
void swiglu_forward(Tensor out, Tensor gate_up);
// dgate_up (N,2I) is written; it may be the memory of gate_up itself.
void swiglu_backward(Tensor dgate_up, Tensor dout, Tensor gate_up);

}  // namespace seodang
