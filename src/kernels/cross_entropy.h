// Softmax cross-entropy of next-token prediction, and the divergence from
// another model's predictions. The caller goes through the
// rows in blocks (model/decoder), so no (tokens × vocab_size) buffer exists.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

// logits (R,V) f32; targets (R), negative = ignored. losses (R) f32 receives
// -log softmax(logits)[target], 0 where ignored.
void cross_entropy_forward(float* losses, Tensor logits,
                           const int32_t* targets);

// As above, and dlogits (R,V) f32 or bf16 = weight · (softmax(logits) -
// onehot), with each row's own of weights (R), and 0 in ignored rows. dlogits
// may share no memory with logits.
void cross_entropy_forward_backward(float* losses, Tensor dlogits,
                                    Tensor logits, const int32_t* targets,
                                    const float* weights);

// Knowledge distillation (Hinton et al., "Distilling the Knowledge in a Neural
// Network", 2015, section 2, at temperature 1): divergences (R) f32 receives
// KL(p_teacher ‖ p) = Σ p_teacher · (log p_teacher - log p) of each row, and
// dlogits (R,V) f32 or bf16 = scale · (p - p_teacher), with p and p_teacher the
// softmax of logits and teacher_logits (R,V) f32.
void distillation_forward_backward(float* divergences, Tensor dlogits,
                                   Tensor logits, Tensor teacher_logits,
                                   float scale);

}  // namespace seodang
