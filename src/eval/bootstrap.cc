#include "eval/bootstrap.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace seodang {
namespace {

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Linear between the two nearest ranks.
double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double weight = at - static_cast<double>(below);
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

}  // namespace

Delta paired_bootstrap(std::span<const double> before,
                       std::span<const double> after, int resamples,
                       uint64_t seed) {
  const size_t n = before.size();
  if (n == 0 || n != after.size() || resamples < 1)
    throw Error("a paired bootstrap needs one value before and after per item");
  std::vector<double> difference(n);
  for (size_t i = 0; i < n; ++i) difference[i] = after[i] - before[i];
  std::vector<double> means(static_cast<size_t>(resamples));
  for (size_t r = 0; r < means.size(); ++r) {
    Rng rng(seed, r);
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += difference[rng.below(n)];
    means[r] = sum / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  return {mean(before), mean(after), percentile(means, 0.025),
          percentile(means, 0.975)};
}

}  // namespace seodang
