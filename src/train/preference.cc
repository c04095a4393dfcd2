#include "train/preference.h"

#include <cmath>
#include <numeric>

namespace seodang {
namespace {

// log π of the answer in a span; tokens without a target have no loss.
double logp_of(const SequenceSpan& span, std::span<const float> losses) {
  const auto of = losses.subspan(static_cast<size_t>(span.begin),
                                 static_cast<size_t>(span.length));
  return -std::accumulate(of.begin(), of.end(), 0.0);
}

std::array<double, 2> logps_of(const Batch& batch, const PreferencePair& pair,
                               std::span<const float> losses) {
  const auto chosen = static_cast<size_t>(pair.chosen);
  return {logp_of(batch.spans[chosen], losses),
          logp_of(batch.spans[chosen + 1], losses)};
}

}  // namespace

void PreferenceSums::add(const PreferenceSums& other) {
  pairs += other.pairs;
  loss += other.loss;
  margin += other.margin;
  preferred += other.preferred;
}

void PreferenceLoss::add_reference(Decoder& decoder, const Batch& batch) {
  std::vector<float> losses(batch.tokens.size());
  decoder.evaluate(batch, losses.data());
  for (const PreferencePair& pair : batch.pairs) {
    const auto at = static_cast<size_t>(pair.index);
    if (reference_.size() <= at) reference_.resize(at + 1);
    reference_[at] = logps_of(batch, pair, losses);
  }
}

PreferenceSums PreferenceLoss::operator()(const Batch& batch,
                                          std::span<const float> losses,
                                          double scale,
                                          std::span<float> weights) const {
  PreferenceSums sums;
  const auto weigh = [&](const SequenceSpan& span, double weight) {
    for (int32_t i = span.begin; i < span.begin + span.length; ++i)
      weights[static_cast<size_t>(i)] = static_cast<float>(scale * weight);
  };
  for (const PreferencePair& pair : batch.pairs) {
    const auto& reference = reference_[static_cast<size_t>(pair.index)];
    const auto logps = logps_of(batch, pair, losses);
    const double margin =
        options_.beta * ((logps[0] - reference[0]) - (logps[1] - reference[1]));
    const SequenceSpan& chosen = batch.spans[static_cast<size_t>(pair.chosen)];
    int64_t length = 0;
    for (int32_t i = chosen.begin; i < chosen.begin + chosen.length; ++i)
      length += batch.targets[static_cast<size_t>(i)] >= 0;
    const double sft = options_.sft_weight / static_cast<double>(length);
    // -log σ(m) = log(1 + e^-m), and σ(-m), without overflow.
    const double small = std::exp(-std::abs(margin));
    const double odds = (margin > 0 ? small : 1) / (1 + small);
    sums.loss += std::log1p(small) + std::max(-margin, 0.0) - sft * logps[0];
    sums.margin += margin;
    sums.preferred += margin > 0;
    ++sums.pairs;
    if (weights.empty()) continue;
    weigh(chosen, options_.beta * odds + sft);
    weigh(batch.spans[static_cast<size_t>(pair.chosen) + 1],
          -options_.beta * odds);
  }
  return sums;
}

}  // namespace seodang
