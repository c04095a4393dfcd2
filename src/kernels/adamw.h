// Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm
// 2, with Adam's bias correction (Kingma & Ba, 2015).
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace seodang {

struct AdamW {
  float learning_rate = 0, beta1 = 0.9f, beta2 = 0.95f, eps = 1e-8f;
  float weight_decay = 0;
  float grad_scale = 1;  // multiplies the gradient first (clipping)
};

// One step for n numbers; `step` counts from 1. weight, first_moment,
// second_moment, grad f32. Where weight_bf16 is not null it receives the
// rounded new weights. grad is set to zero, ready for the next accumulation.
void adamw_step(float* weight, bf16* weight_bf16, float* first_moment,
                float* second_moment, float* grad, int64_t n, int64_t step,
                const AdamW& options);

// Σ x², in float64, summed in blocks of fixed size: independent of threads.
double sum_of_squares(const float* x, int64_t n);

}  // namespace seodang
