// Everything a training step changes: f32 masters, the bf16 copy that products
// read, gradients, and AdamW's two moments. One block of memory each.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/adamw.h"
#include "model/model.h"

namespace seodang {

class Optimizer {
 public:
  // Takes over the model's weights (f32) as masters. `precision` is the dtype
  // that products are made in.
  Optimizer(Model model, Dtype precision);

  const ModelConfig& config() const { return model_.config(); }
  const Weights& masters() const { return model_.weights(); }
  // What the decoder computes with: the bf16 copy, or the masters themselves.
  const Weights& weights() const { return weights_; }
  const Weights& gradients() const { return gradients_; }

  // Norm of all gradients, in float64.
  double gradient_norm() const;
  // One AdamW step (counted from 1) for all weights; the gradients are zero
  // afterwards. options.weight_decay applies to matrices only.
  void step(int64_t step, AdamW options);

  // The moments under the names that optimizer.safetensors gives them:
  // "exp_avg.NAME" and "exp_avg_sq.NAME", as PyTorch's AdamW calls them.
  std::vector<NamedTensor> moments() const;
  // Rounds the masters again, after a checkpoint was read into them.
  void refresh();
  // Bytes of masters, copy, gradients and moments.
  int64_t bytes() const;

 private:
  Model model_;
  Dtype precision_;
  OwnedTensor copy_, gradient_memory_, first_, second_;
  Weights weights_, gradients_;
  std::vector<NamedTensor> named_;  // of the masters
};

}  // namespace seodang
