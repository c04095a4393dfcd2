// How sure a difference between two models on the same items is.
#pragma once

#include <cstdint>
#include <span>

namespace seodang {

struct Delta {
  double before = 0, after = 0;  // means
  double low = 0, high = 0;      // 95% interval of after - before
};

// Paired percentile bootstrap (Efron & Tibshirani, "An Introduction to the
// Bootstrap", 1993, chapter 13): items are drawn with replacement, before and
// after together; the interval spans the 2.5th to the 97.5th percentile of the
// mean differences. Both spans have one value per item.
Delta paired_bootstrap(std::span<const double> before,
                       std::span<const double> after, int resamples = 2000,
                       uint64_t seed = 1);

}  // namespace seodang
