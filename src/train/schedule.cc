#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace seodang {

double learning_rate_factor(const TrainOptions& options, int64_t step,
                            int64_t steps) {
  const double total = static_cast<double>(std::max<int64_t>(1, steps));
  const double at = static_cast<double>(step);
  const double warmup = std::max(1.0, options.warmup * total);
  if (at < warmup) return at / warmup;
  const double floor = options.final_learning_rate;
  if (options.schedule == "cosine") {
    const double progress = (at - warmup) / std::max(1.0, total - warmup);
    return floor +
           (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  }
  const double decay = std::max(1.0, options.decay * total);
  const double left = (total - at) / decay;
  return left >= 1 ? 1.0 : floor + (1 - floor) * left;
}

}  // namespace seodang
