// The embedding table: token → row.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

// out (N,H) f32; tokens (N), each in [0, vocab_size); table (vocab_size,H) f32
// or bf16.
void embedding_forward(Tensor out, const int32_t* tokens, Tensor table);

// dtable (vocab_size,H) f32, added to: dtable[tokens[n]] += dout[n]; dout (N,H)
// f32. Rows are added in the order of n for every thread count.
void embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dout);

}  // namespace seodang
