// The embedding table: token → row.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

// out (N,H) f32 = scale · rows of table; tokens (N), each in [0, vocab_size);
// table (vocab_size,H) f32 or bf16.
void embedding_forward(Tensor out, const int32_t* tokens, Tensor table,
                       float scale = 1);

// dtable (vocab_size,H) f32, added to: dtable[tokens[n]] += scale · dout[n];
// dout (N,H) f32. Rows are added in the order of n for every thread count.
void embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dout,
                        float scale = 1);

}  // namespace seodang
