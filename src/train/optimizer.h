// Everything a training step changes: f32 masters, the bf16 copy that products
// read, gradients, and moments: AdamW's two, or Muon's one for the matrices
// between embedding and logits. One block of memory each. What learns is a
// whole model, or an adapter of one that stays as it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "kernels/adamw.h"
#include "model/adapter.h"
#include "model/model.h"
#include "train/muon.h"

namespace seodang {

class Optimizer {
 public:
  // Takes over the model's weights (f32) as masters. `precision` is the dtype
  // that products are made in. With `muon` it trains the hidden matrices, and
  // AdamW the embedding, the output layer, norms and biases.
  Optimizer(Model model, Dtype precision, bool muon = false);
  // The same for an adapter that was created; the model is mapped, computes in
  // `precision`, and does not learn.
  Optimizer(Model model, Adapter adapter, Dtype precision, bool muon = false);

  const ModelConfig& config() const { return model_.config(); }
  bool trains_adapter() const { return adapter_.has_value(); }
  // The f32 masters under their names in files.
  std::vector<NamedTensor> masters() const;
  int64_t num_trainable_parameters() const;  // numbers that learn
  // The embedding and the output layer stay as they are: they get no gradient.
  void freeze_embeddings();
  // Of both only the rows of these tokens, ascending, learn.
  void freeze_embeddings_but(const std::vector<int32_t>& learned);
  // Writes the model, or the adapter alone, into an existing directory.
  void save(const std::filesystem::path& directory) const;
  // Reads what save() wrote into the masters. Throws Error naming file and
  // tensor.
  void load(const std::filesystem::path& directory);

  // What the decoder computes with: the bf16 copy, or the masters themselves.
  const Weights& weights() const { return weights_; }
  // The model that stays as it is beside an adapter that learns.
  const Weights& frozen_weights() const { return model_.weights(); }
  const Weights& gradients() const { return gradients_; }

  // Norm of all gradients, in float64; those of frozen rows become 0.
  double gradient_norm();
  // One step (counted from 1) for all weights; the gradients are zero
  // afterwards. Learning rate, weight decay (of matrices only) and gradient
  // scale are those of `options` for Muon too; `momentum` is its own.
  void step(int64_t step, AdamW options, float momentum = 0.95f);

  // The moments under the names that optimizer.safetensors gives them:
  // "exp_avg.NAME" and "exp_avg_sq.NAME", or "momentum_buffer.NAME", as
  // PyTorch's AdamW and Muon call them.
  std::vector<NamedTensor> moments() const;
  // A copy of what learns, f32.
  OwnedTensor snapshot() const;
  // Makes it start + share · (end - start), of two snapshots.
  void interpolate(const OwnedTensor& start, const OwnedTensor& end,
                   float share);

  // Rounds the masters again, after a checkpoint was read into them.
  void refresh();
  // Bytes of weights, masters, copy, gradients and moments.
  int64_t bytes() const;

 private:
  Model model_;
  std::optional<Adapter> adapter_;
  Dtype precision_;
  // A weight, and where its numbers and its second moments begin.
  struct Slot {
    NamedTensor master;
    int64_t at = 0, second_at = 0;
    bool muon = false;  // has no second moments
  };
  void make_slots(bool muon);
  void clear_frozen_rows();
  Weights lay_out(void* memory, Dtype dtype) const;
  Tensor memory() const {
    return adapter_ ? adapter_->memory() : model_.memory();
  }
  Tensor part(const OwnedTensor& memory, const Slot& slot, int64_t at) const;

  OwnedTensor copy_, gradient_memory_, first_, second_;
  Weights weights_, gradients_;
  std::vector<Slot> slots_;
  // Runs of rows of the embedding and the output layer that learn; empty: all.
  struct Rows {
    int64_t begin = 0, end = 0;
  };
  std::vector<Rows> learned_rows_;
  Muon muon_;
};

}  // namespace seodang
