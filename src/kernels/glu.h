// Gated linear units without the products; Shazeer, "GLU Variants Improve
// Transformer", 2020, eq. 6:  y = act(gate) ⊙ up.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

enum class Activation : uint8_t {
  silu,       // z·σ(z), of SwiGLU
  gelu_tanh,  // z/2·(1 + tanh(√(2/π)·(z + 0.044715·z³))), of GeGLU;
              // Hendrycks & Gimpel, 2016, section 2
};

// out (N,I); gate_up (N,2I): gate in the first I columns, up in the last I.
// Both f32 or both bf16.
void glu_forward(Tensor out, Tensor gate_up, Activation activation);
// dgate_up (N,2I) is written; it may be the memory of gate_up itself.
void glu_backward(Tensor dgate_up, Tensor dout, Tensor gate_up,
                  Activation activation);

}  // namespace seodang
