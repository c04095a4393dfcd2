// The steps that bring back what a fine-tune was to keep.
#pragma once

#include <cstdint>
#include <functional>

namespace seodang {

// Steps after all the others, where what was to be kept was not: each round
// doubles the teacher's weight, at a low learning rate that falls to nothing.
// The first observation that finds enough kept ends it.
struct Repair {
  int64_t steps = 0;          // of a round; 0: there are none
  int rounds = 0;             // at most
  int64_t observe_every = 0;  // steps of a round
  // Asked after an observation whether one (more) is needed.
  std::function<bool()> needed = {};

  // Of step `step` (from 1) when `planned` are done; 0 before.
  int64_t round(int64_t step, int64_t planned) const;
  // Whether it is observed after that step, within a round.
  bool observes(int64_t step, int64_t planned) const;
  // Share of the peak learning rate.
  double learning_rate_factor(int64_t step, int64_t planned) const;
};

}  // namespace seodang
