#include "train/repair.h"

namespace seodang {

int64_t Repair::round(int64_t step, int64_t planned) const {
  return steps == 0 || step <= planned ? 0 : (step - planned - 1) / steps + 1;
}

bool Repair::observes(int64_t step, int64_t planned) const {
  return round(step, planned) > 0 && observe_every > 0 &&
         ((step - planned - 1) % steps + 1) % observe_every == 0;
}

double Repair::learning_rate_factor(int64_t step, int64_t planned) const {
  constexpr double kPeak = 0.2;
  const int64_t done = (step - planned - 1) % steps;
  return kPeak * (1 - static_cast<double>(done) / static_cast<double>(steps));
}

}  // namespace seodang
