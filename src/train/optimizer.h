// Everything a training step changes: f32 masters, the bf16 copy that products
// read, gradients, and moments: AdamW's two, or Muon's one for the matrices
// between embedding and logits. One block of memory each. What learns is a
// whole model, or an adapter of one that stays as it is.
//
// Ranks (train/ranks.h) share the work of a step: each keeps the moments, and
// in bf16 the masters, of a part of what learns, and steps that part
// (Rajbhandari et al., "ZeRO: Memory optimizations toward training trillion
// parameter models", 2020, section 5.1). All have all of the copy and of the
// gradients. Memory of others' parts is never written to, and so takes none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "kernels/adamw.h"
#include "model/adapter.h"
#include "model/model.h"
#include "train/muon.h"
#include "train/ranks.h"

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
  // The moments under the names that PyTorch's AdamW and Muon give them:
  // "exp_avg.NAME" and "exp_avg_sq.NAME", or "momentum_buffer.NAME".
  std::vector<NamedTensor> moments() const;
  // Reads them from a safetensors file.
  void load_moments(const std::filesystem::path& file);

  // What the decoder computes with: the bf16 copy, or the masters themselves.
  const Weights& weights() const { return weights_; }
  // The model that stays as it is beside an adapter that learns.
  const Weights& frozen_weights() const { return model_.weights(); }
  const Weights& gradients() const { return gradients_; }

  // Says that this rank's gradients are complete from `layer` on
  // (GradientsReady; -1: all), so that they may be summed over the ranks.
  void gradients_ready(int64_t layer);
  // Norm of all gradients, in float64, when all are ready; those of frozen rows
  // become 0.
  double gradient_norm();
  // One step (counted from 1) for all weights; the gradients are zero
  // afterwards. Learning rate, weight decay (of matrices only) and gradient
  // scale are those of `options` for Muon too; `momentum` is its own.
  void step(int64_t step, AdamW options, float momentum = 0.95f);

  // From here on each rank keeps its own part alone, of which refresh() makes
  // the copy of all.
  void shard();
  // Between steps: the root has all masters, or all moments as well, until the
  // next shard(), and may save them.
  void gather_masters();
  void gather_all();
  // A copy of what learns, f32.
  OwnedTensor snapshot() const;
  // Makes it start + share · (end - start), of two snapshots.
  void interpolate(const OwnedTensor& start, const OwnedTensor& end,
                   float share);

  // Rounds the masters again, after a checkpoint was read into them.
  void refresh();
  // Bytes of weights, masters, copy, gradients and moments that this rank
  // keeps.
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
  struct Range {
    int64_t begin = 0, end = 0;
    int64_t size() const { return end - begin; }
  };
  // Slots [begin, end), whose gradients are complete at once, and where in
  // memory() each rank's part of them begins; bounds[size] is the end.
  struct Bucket {
    int64_t layer = 0;  // as gradients_ready() has it
    size_t begin = 0, end = 0;
    std::vector<int64_t> bounds;
  };
  void make_slots(bool muon);
  void make_buckets();
  // What this rank keeps: as numbers of memory(), and as numbers of a slot.
  Range own(const Bucket& bucket) const;
  Range own(const Bucket& bucket, const Slot& slot) const;
  // Calls visit(bucket, slot) for all, in the order of buckets.
  template <class Visit>
  void for_each_slot(Visit&& visit) const;
  // What is beside own() of a slot, in memory where it begins `at`, becomes 0.
  void clear_others(Tensor memory, const Bucket& bucket, const Slot& slot,
                    int64_t at) const;
  void gather(Tensor memory, const Bucket& bucket, const Slot& slot,
              int64_t at) const;
  // All that products read of what learns: the copy, or the masters.
  Tensor read_memory() const {
    return precision_ == Dtype::f32 ? memory() : copy_.view();
  }
  void step_adamw(const Slot& slot, Range range, int64_t step,
                  const AdamW& options) const;
  void clear_frozen_rows();
  Weights lay_out(void* memory, Dtype dtype) const;
  Tensor memory() const {
    return adapter_ ? adapter_->memory() : model_.memory();
  }
  Tensor part(const OwnedTensor& memory, const Slot& slot, int64_t at) const;

  OwnedTensor copy_, gradient_memory_, first_, second_;
  Weights weights_, gradients_;
  std::vector<Slot> slots_;
  std::vector<Bucket> buckets_;  // in the order in which they are complete
  size_t summed_ = 0;            // of them, in this step
  bool sharded_ = false;         // shard()
  Ranks& ranks_ = Ranks::world();
  // Runs of rows of the embedding and the output layer that learn; empty: all.
  struct Rows {
    int64_t begin = 0, end = 0;
  };
  std::vector<Rows> learned_rows_;
  Muon muon_;
};

}  // namespace seodang
