#include "model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace seodang {
namespace {

std::vector<double> unscaled(double theta, int32_t head_dim) {
  std::vector<double> out;
  for (int32_t i = 0; i < head_dim / 2; ++i)
    out.push_back(std::pow(theta, -2.0 * i / head_dim));
  return out;
}

double llama3(double frequency, const RopeScaling& s) {
  const double turns =
      s.original_max_position_embeddings * frequency / (2 * std::numbers::pi);
  const double share =
      (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  const double kept = std::clamp(share, 0.0, 1.0);
  return (1 - kept) * frequency / s.factor + kept * frequency;
}

// The pair that turns `turns` times over the original length; YaRN, eq. 17 and
// 18, solved for i.
double pair_of(double turns, const ModelConfig& c) {
  const double length = c.rope_scaling.original_max_position_embeddings;
  return c.head_dim * std::log(length / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(c.rope_theta));
}

void yarn(std::vector<double>& frequencies, const ModelConfig& c) {
  const RopeScaling& s = c.rope_scaling;
  double first = pair_of(s.beta_fast, c), last = pair_of(s.beta_slow, c);
  if (s.truncate) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, c.head_dim - 1.0);
  if (first == last) last += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp =
        std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    frequencies[i] *= ramp / s.factor + 1 - ramp;
  }
}

bool is_local(const ModelConfig& c, LayerType type) {
  return type == LayerType::sliding_attention && c.rope_local_base_freq > 0;
}

}  // namespace

std::vector<double> rope_frequencies(const ModelConfig& c, LayerType type,
                                     int64_t position) {
  if (is_local(c, type)) return unscaled(c.rope_local_base_freq, c.head_dim);
  const RopeScaling& s = c.rope_scaling;
  double theta = c.rope_theta;
  if (s.rope_type == "dynamic" && position >= c.max_position_embeddings) {
    const double dim = c.head_dim;
    const double stretch = s.factor * (static_cast<double>(position) + 1) /
                           c.max_position_embeddings;
    theta *= std::pow(stretch - s.factor + 1, dim / (dim - 2));
  }
  std::vector<double> out = unscaled(theta, c.head_dim);
  if (s.rope_type == "linear")
    for (double& frequency : out) frequency /= s.factor;
  if (s.rope_type == "llama3")
    for (double& frequency : out) frequency = llama3(frequency, s);
  if (s.rope_type == "yarn") yarn(out, c);
  return out;
}

void extend(RopeTable& table, const ModelConfig& c, LayerType type,
            int64_t positions) {
  if (table.positions() >= positions) return;
  const bool local = is_local(c, type);
  const bool dynamic = !local && c.rope_scaling.rope_type == "dynamic";
  const double scale = !local && c.rope_scaling.rope_type == "yarn"
                           ? c.rope_scaling.attention_factor
                           : 1;
  const auto usual = rope_frequencies(c, type, 0);
  for (int64_t p = table.positions(); p < positions; ++p)
    table.append(dynamic && p >= c.max_position_embeddings
                     ? rope_frequencies(c, type, p)
                     : usual,
                 scale);
}

}  // namespace seodang
