// Learning from pairs of answers of which one is preferred, without a reward
// model: direct preference optimization (Rafailov et al., "Direct preference
// optimization", 2023, equation 7), with the loss of the chosen answer beside
// it (Pang et al., "Iterative reasoning preference optimization", 2024,
// equation 1). Of a pair (w chosen, l rejected), with π the model and π_ref the
// model before its first step,
//   margin = β · (log π(w)/π_ref(w) - log π(l)/π_ref(l))
//   loss = -log σ(margin) - sft_weight · log π(w) / |w|
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "model/decoder.h"
#include "train/options.h"

namespace seodang {

struct PreferenceSums {
  int64_t pairs = 0;
  double loss = 0, margin = 0;
  int64_t preferred = 0;  // pairs with a margin above 0

  double mean_loss() const { return mean(loss); }
  double mean_margin() const { return mean(margin); }
  double reward_accuracy() const {
    return mean(static_cast<double>(preferred));
  }
  void add(const PreferenceSums& other);

 private:
  double mean(double sum) const {
    return pairs > 0 ? sum / static_cast<double>(pairs) : 0;
  }
};

// Of the pairs of one set.
class PreferenceLoss {
 public:
  explicit PreferenceLoss(const PreferenceOptions& options)
      : options_(options) {}

  // Keeps log π_ref of the batch's pairs, the decoder's model being π_ref.
  void add_reference(Decoder& decoder, const Batch& batch);

  // log π_ref of the chosen and the rejected answer, by PreferencePair::index;
  // 0 of those that no batch had.
  std::vector<std::array<double, 2>>& references() { return reference_; }

  // Of a batch whose pairs all have a reference; losses (N) are -log π of its
  // targets. Unless it is empty, weights (N) receives those with which
  // Σ weight · -log π has the gradient of scale · Σ loss; those of tokens
  // outside the pairs stay.
  PreferenceSums operator()(const Batch& batch, std::span<const float> losses,
                            double scale = 0,
                            std::span<float> weights = {}) const;

 private:
  PreferenceOptions options_;
  std::vector<std::array<double, 2>> reference_;  // log π_ref of w and l
};

}  // namespace seodang
