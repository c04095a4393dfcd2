// The learning rate of each step, as a factor of the peak.
#pragma once

#include <cstdint>

#include "train/options.h"

namespace seodang {

// Step counts from 1 to `steps`. Both schedules warm up linearly over
// options.warmup · steps. "cosine" then falls to options.final_learning_rate
// (Loshchilov & Hutter, "SGDR", 2017, eq. 5). "wsd" stays at 1 and falls
// linearly over the last options.decay · steps (Hu et al., "MiniCPM", 2024,
// section 4: warm-up, stable, decay).
double learning_rate_factor(const TrainOptions& options, int64_t step,
                            int64_t steps);

}  // namespace seodang
