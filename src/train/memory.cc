#include "train/memory.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "data/batch_share.h"
#include "model/decoder.h"
#include "model/weights.h"
#include "train/rank_batches.h"

namespace seodang {
namespace {

// Of masters, gradients and moments, in f32, and the copy that products read.
int64_t bytes_learned(int64_t numbers, int64_t second_moments, Dtype precision,
                      int ranks) {
  constexpr auto kF32 = static_cast<int64_t>(sizeof(float));
  const int64_t all = numbers * kF32,
                moments = (numbers + second_moments) * kF32;
  const auto part = [&](int64_t bytes) { return (bytes + ranks - 1) / ranks; };
  if (precision == Dtype::f32)
    return all + std::max(all + part(moments), moments);
  const auto copy = numbers * static_cast<int64_t>(size_of(precision));
  // In a step, and while the root writes, when gradients take nothing.
  return copy + std::max(all + part(all + moments), all + moments);
}

// Muon has no second moments of hidden matrices.
int64_t second_moments(const ModelConfig& config, bool muon) {
  int64_t sum = 0;
  Weights weights;
  for_each_weight(
      config, weights,
      [&](const std::string& name, Tensor&, const WeightShape& shape) {
        const bool hidden =
            shape.decayed && name.find(".layers.") != std::string::npos;
        if (!muon || !hidden) sum += shape.rows * shape.cols;
      });
  return sum;
}

// The program, its libraries, and what products work in; what MPI takes.
constexpr int64_t kProgram = 100 << 20, kMpi = 40 << 20;

}  // namespace

TrainingMemory training_memory(const ModelConfig& config,
                               const TrainOptions& options,
                               const Trainable& trainable) {
  const Dtype precision = precision_of(options);
  const bool muon = options.optimizer == "muon";
  TrainingMemory out;
  out.weights = kProgram + (trainable.ranks > 1 ? kMpi : 0);
  constexpr auto kF32 = static_cast<int64_t>(sizeof(float));
  if (trainable.adapter) {
    const int64_t numbers =
        Adapter::size_of_new(config, trainable.lora, trainable.token_rows);
    out.weights +=
        trainable.model_bytes +
        bytes_learned(numbers, muon ? 0 : numbers, precision, trainable.ranks) +
        trainable.copies * numbers * kF32;
  } else {
    out.weights +=
        bytes_learned(weights_size(config), second_moments(config, muon),
                      precision, trainable.ranks) +
        trainable.copies * weights_size(config) * kF32;
    if (trainable.teacher_tokens > 0) out.weights += trainable.model_bytes;
    // What Ranks receives of other ranks' gradients: of the largest bucket.
    out.weights += std::min(trainable.ranks - 1, 2) * kF32 *
                   int64_t{config.vocab_size} * config.hidden_size /
                   trainable.ranks;
  }
  // A decoder has room for the most uneven share of a batch; what it does not
  // use takes nothing.
  const int64_t tokens =
      deals_whole_batches(options, trainable.ranks)
          ? options.batch_tokens
          : even_batch_share(options.batch_tokens, trainable.ranks);
  out.activations = Decoder::bytes_needed(
      config, precision, tokens, options.recompute ? Keep::inputs : Keep::all,
      trainable.adapter ? trainable.lora.rank : 0);
  if (trainable.teacher_tokens > 0)
    out.activations += Decoder::bytes_needed(
        config, precision, trainable.teacher_tokens, Keep::nothing, 0);
  return out;
}

int64_t check_memory(const ModelConfig& config, const TrainOptions& options,
                     const Trainable& trainable, bool may_adapt,
                     int64_t available) {
  const int64_t needed = training_memory(config, options, trainable).total();
  if (needed <= available) return needed;
  std::string advice;
  const int32_t fewer = std::min(options.batch_tokens, options.context);
  for (const bool adapter : {false, true})
    for (const bool smaller : {false, true})
      for (const bool recompute : {false, true}) {
        if (!advice.empty() || (adapter && (!may_adapt || trainable.adapter)) ||
            (smaller && fewer == options.batch_tokens) ||
            (recompute && options.recompute))
          continue;
        TrainOptions other = options;
        Trainable what = trainable;
        std::vector<std::string> flags;
        if (adapter) {
          what.adapter = true;
          flags.emplace_back("--lora");
        }
        if (smaller) {
          other.batch_tokens = fewer;
          flags.push_back(fmt::format("--batch-tokens {}", fewer));
        }
        if (recompute) {
          other.recompute = true;
          flags.emplace_back("--recompute");
        }
        const int64_t size = training_memory(config, other, what).total();
        if (size <= available)
          advice = fmt::format("{} takes {}", fmt::join(flags, " "),
                               show_bytes(static_cast<double>(size)));
      }
  throw UsageError(
      "training this takes {} of memory and there are {}; {}",
      show_bytes(static_cast<double>(needed)),
      show_bytes(static_cast<double>(available)),
      advice.empty() ? "a smaller --context or a smaller model would take less"
                     : advice);
}

}  // namespace seodang
