#include "generate/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "base/error.h"

namespace seodang {
namespace {

const std::vector<float> kLogits = {1.5f, -0.5f, 2.0f, 0.0f,
                                    1.9f, -3.0f, 0.7f, 0.7f};

// The distribution that the options ask for, written down as the papers say it
// and without a thought for speed.
std::vector<double> reference(const std::vector<float>& logits,
                              const std::vector<int32_t>& history,
                              const SamplerOptions& o) {
  std::vector<double> x(logits.begin(), logits.end());
  for (size_t i = 0; i < x.size(); ++i)
    if (std::count(history.begin(), history.end(), static_cast<int32_t>(i)) > 0)
      x[i] =
          x[i] > 0 ? x[i] / o.repetition_penalty : x[i] * o.repetition_penalty;
  std::vector<double> p(x.size());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += p[i] = std::exp(x[i] / o.temperature);
  for (double& value : p) value /= sum;
  const auto normalize = [&] {
    double total = 0;
    for (const double value : p) total += value;
    for (double& value : p) value /= total;
  };
  // How many tokens come before token i, and what they weigh.
  const auto before = [&](size_t i) {
    std::pair<int, double> out{0, 0.0};
    for (size_t j = 0; j < p.size(); ++j)
      if (p[j] > p[i] || (p[j] == p[i] && j < i)) {
        ++out.first;
        out.second += p[j];
      }
    return out;
  };
  const auto keep_if = [&](auto&& keep) {
    std::vector<double> kept(p.size(), 0.0);
    for (size_t i = 0; i < p.size(); ++i)
      if (p[i] > 0 && keep(i)) kept[i] = p[i];
    p = kept;
    normalize();
  };
  if (o.top_k > 0) keep_if([&](size_t i) { return before(i).first < o.top_k; });
  if (o.top_p < 1)
    keep_if([&](size_t i) { return before(i).second < o.top_p; });
  const double best = *std::max_element(p.begin(), p.end());
  if (o.min_p > 0) keep_if([&](size_t i) { return p[i] >= o.min_p * best; });
  return p;
}

void expect_distribution(const SamplerOptions& options,
                         const std::vector<int32_t>& history = {}) {
  const std::vector<double> expected = reference(kLogits, history, options);
  Sampler sampler(options);
  constexpr int kDraws = 40000;
  std::vector<double> seen(kLogits.size(), 0.0);
  for (int i = 0; i < kDraws; ++i)
    seen[static_cast<size_t>(sampler.choose(kLogits, history).id)] += 1;
  for (size_t i = 0; i < seen.size(); ++i) {
    const double p = expected[i];
    const double sigma = std::sqrt(p * (1 - p) / kDraws);
    EXPECT_NEAR(seen[i] / kDraws, p, 5 * sigma) << "token " << i;
  }
}

TEST(Sampler, DrawsFromTheModelsDistribution) {
  expect_distribution({.temperature = 1});
}
TEST(Sampler, Temperature) {
  expect_distribution({.temperature = 0.6});
  expect_distribution({.temperature = 1.7});
}
TEST(Sampler, TopK) {
  expect_distribution({.temperature = 1, .top_k = 3});
  expect_distribution({.temperature = 1, .top_k = 5});  // 6 and 7 are equal
}
TEST(Sampler, TopP) {
  expect_distribution({.temperature = 1, .top_p = 0.5});
  expect_distribution({.temperature = 1, .top_p = 0.9});
}
TEST(Sampler, MinP) { expect_distribution({.temperature = 1, .min_p = 0.3}); }
TEST(Sampler, RepetitionPenalty) {
  expect_distribution({.repetition_penalty = 1.8, .temperature = 1},
                      {2, 2, 1, 2});
}
// OpenAI's API reference: mu[j] -= c[j]·frequency + (c[j] > 0)·presence, c[j]
// counted in the output alone.
TEST(Sampler, FrequencyAndPresencePenalties) {
  const std::vector<int32_t> history = {2, 2, 2, 1, 2, 1, 3};
  constexpr size_t kPrompt = 3;
  std::vector<float> changed = kLogits;
  changed[1] -= 2 * 0.4F + 0.7F;
  changed[2] -= 0.4F + 0.7F;
  changed[3] -= 0.4F + 0.7F;
  const SamplerOptions options = {.frequency_penalty = 0.4,
                                  .presence_penalty = 0.7,
                                  .temperature = 1,
                                  .seed = 3};
  Sampler sampler(options), plain({.temperature = 1, .seed = 3});
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(sampler.choose(kLogits, history, kPrompt).id,
              plain.choose(changed, {}).id);
  EXPECT_EQ(Sampler({.presence_penalty = 2}).choose(kLogits, history, 7).id, 2);
}

TEST(Sampler, AllAtOnce) {
  expect_distribution({.repetition_penalty = 1.3,
                       .temperature = 0.8,
                       .top_k = 6,
                       .top_p = 0.92,
                       .min_p = 0.05},
                      {0, 4});
}

TEST(Sampler, TemperatureZeroTakesTheBestAndOfEqualsTheLowerId) {
  EXPECT_EQ(Sampler({}).choose(kLogits, {}).id, 2);
  const std::vector<float> equal = {0.0f, 3.0f, 3.0f, 1.0f};
  EXPECT_EQ(Sampler({}).choose(equal, {}).id, 1);
  // The penalty moves the choice: 2.0 / 1.2 < 1.9.
  const std::vector<int32_t> history = {2};
  EXPECT_EQ(Sampler({.repetition_penalty = 1.2}).choose(kLogits, history).id,
            4);
}

TEST(Sampler, LogprobsAreTheModelsOwn) {
  double sum = 0;
  for (const float x : kLogits) sum += std::exp(double{x});
  const Choice choice =
      Sampler({.repetition_penalty = 2, .temperature = 0.1, .top_k = 1})
          .choose(kLogits, {}, 0, 3);
  EXPECT_NEAR(choice.logprob, 2.0 - std::log(sum), 1e-5);
  ASSERT_EQ(choice.top.size(), 3u);
  EXPECT_EQ(choice.top[0].id, 2);
  EXPECT_EQ(choice.top[1].id, 4);
  EXPECT_EQ(choice.top[2].id, 0);
  EXPECT_NEAR(choice.top[1].logprob, 1.9 - std::log(sum), 1e-5);
  EXPECT_EQ(Sampler({}).choose(kLogits, {}, 0, 100).top.size(), kLogits.size());
}

TEST(Sampler, SameSeedSameDraws) {
  const auto draws = [](uint64_t seed, uint64_t stream) {
    Sampler sampler({.temperature = 1, .seed = seed}, stream);
    std::vector<int32_t> out;
    for (int i = 0; i < 40; ++i) out.push_back(sampler.choose(kLogits, {}).id);
    return out;
  };
  EXPECT_EQ(draws(7, 0), draws(7, 0));
  EXPECT_NE(draws(7, 0), draws(8, 0));
  EXPECT_NE(draws(7, 0), draws(7, 1));
}

TEST(Sampler, LogitsThatAreNoNumbersAreAnError) {
  std::vector<float> damaged = kLogits;
  damaged[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(Sampler({}).choose(damaged, {}), Error);
  damaged[0] = damaged[3];
  EXPECT_THROW(Sampler({}).choose(damaged, {}), Error);
  std::vector<float> infinite = kLogits;
  infinite[1] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(Sampler({.temperature = 1}).choose(infinite, {}), Error);
  // A token that cannot be chosen is fine.
  infinite[1] = -infinite[1];
  EXPECT_EQ(Sampler({}).choose(infinite, {}).id, 2);
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  EXPECT_THROW(Sampler({.temperature = -1}), UsageError);
  EXPECT_THROW(Sampler({.temperature = NAN}), UsageError);
  EXPECT_THROW(Sampler({.top_k = -1}), UsageError);
  EXPECT_THROW(Sampler({.top_p = 0}), UsageError);
  EXPECT_THROW(Sampler({.top_p = 1.1}), UsageError);
  EXPECT_THROW(Sampler({.min_p = 2}), UsageError);
  EXPECT_THROW(Sampler({.repetition_penalty = 0}), UsageError);
}

}  // namespace
}  // namespace seodang
