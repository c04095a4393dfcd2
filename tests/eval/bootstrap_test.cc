#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/error.h"

namespace seodang {
namespace {

// The book's recipe with another generator and the plainest percentile.
std::pair<double, double> slow_interval(const std::vector<double>& before,
                                        const std::vector<double>& after,
                                        int resamples) {
  std::mt19937_64 generator(99);
  std::uniform_int_distribution<size_t> pick(0, before.size() - 1);
  std::vector<double> means;
  for (int r = 0; r < resamples; ++r) {
    double b = 0, a = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      const size_t item = pick(generator);
      b += before[item];
      a += after[item];
    }
    means.push_back((a - b) / static_cast<double>(before.size()));
  }
  std::sort(means.begin(), means.end());
  return {means[static_cast<size_t>(0.025 * resamples)],
          means[static_cast<size_t>(0.975 * resamples)]};
}

TEST(Bootstrap, AgreesWithASlowReferenceAndWithTheNormalInterval) {
  std::mt19937 generator(3);
  std::vector<double> before, after;
  for (int i = 0; i < 300; ++i) {
    before.push_back(generator() % 10 < 3);
    after.push_back(generator() % 10 < 8);
  }
  const Delta delta = paired_bootstrap(before, after, 20000, 1);
  const auto [low, high] = slow_interval(before, after, 20000);
  EXPECT_NEAR(delta.low, low, 0.006);
  EXPECT_NEAR(delta.high, high, 0.006);

  double mean = 0, square = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    mean += (after[i] - before[i]) / 300;
    square += (after[i] - before[i]) * (after[i] - before[i]) / 300;
  }
  const double error = std::sqrt((square - mean * mean) / 300);
  EXPECT_NEAR(delta.after - delta.before, mean, 1e-12);
  EXPECT_NEAR(delta.low, mean - 1.96 * error, 0.006);
  EXPECT_NEAR(delta.high, mean + 1.96 * error, 0.006);
}

TEST(Bootstrap, PairsCancelWhatBothShare) {
  std::vector<double> before, after;
  for (int i = 0; i < 100; ++i) {
    before.push_back(i);  // items differ widely, the two models by 1
    after.push_back(i + 1);
  }
  const Delta delta = paired_bootstrap(before, after);
  EXPECT_DOUBLE_EQ(delta.low, 1);
  EXPECT_DOUBLE_EQ(delta.high, 1);
}

TEST(Bootstrap, SeedDecides) {
  const std::vector<double> before = {0, 1, 0, 1, 1, 0, 0, 1, 0.5, 0.2};
  const std::vector<double> after = {1, 1, 0, 0.3, 1, 0.1, 1, 1, 0, 0.9};
  const auto one = paired_bootstrap(before, after, 500, 4);
  const auto two = paired_bootstrap(before, after, 500, 4);
  EXPECT_EQ(one.low, two.low);
  EXPECT_EQ(one.high, two.high);
  EXPECT_NE(one.low, paired_bootstrap(before, after, 500, 5).low);
}

TEST(Bootstrap, RefusesWhatIsNoPair) {
  const std::vector<double> one = {1}, two = {1, 2}, none;
  EXPECT_THROW(paired_bootstrap(one, two), Error);
  EXPECT_THROW(paired_bootstrap(none, none), Error);
}

}  // namespace
}  // namespace seodang
