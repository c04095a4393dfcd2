// Softmax cross-entropy of next-token prediction. The caller goes through the
// rows in blocks (model/decoder), so no (tokens × vocab_size) buffer exists.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

// logits (R,V) f32; targets (R), negative = ignored. losses (R) f32 receives
// -log softmax(logits)[target], 0 where ignored.
void cross_entropy_forward(float* losses, Tensor logits,
                           const int32_t* targets);

// As above, and dlogits (R,V) f32 or bf16 = scale · (softmax(logits) - onehot),
// 0 in ignored rows. dlogits may share no memory with logits.
void cross_entropy_forward_backward(float* losses, Tensor dlogits,
                                    Tensor logits, const int32_t* targets,
                                    float scale);

}  // namespace seodang
