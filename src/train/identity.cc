#include "train/identity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/matmul.h"

namespace seodang {

void check_options(const TrainOptions& o) {
  const auto need = [](bool ok, const char* option, const char* rule) {
    if (!ok) throw UsageError("{} must be {}", option, rule);
  };
  need(o.steps >= 0, "steps", "0 or more");
  need(o.epochs > 0 && o.epochs <= 1e6, "epochs", "above 0");
  need(o.batch_tokens >= 2 && o.batch_tokens <= 1 << 22, "batch-tokens",
       "from 2 to 4194304");
  need(o.context >= 0, "context", "0 or more");
  need(o.accumulate >= 1 && o.accumulate <= 1 << 16, "accumulate",
       "from 1 to 65536");
  need(o.learning_rate >= 0 && o.learning_rate < 10, "learning-rate",
       "from 0 to 10");
  need(o.final_learning_rate >= 0 && o.final_learning_rate <= 1,
       "final-learning-rate", "a share from 0 to 1");
  need(o.warmup >= 0 && o.warmup <= 1, "warmup", "a share from 0 to 1");
  need(o.decay >= 0 && o.decay <= 1, "decay", "a share from 0 to 1");
  need(o.schedule == "wsd" || o.schedule == "cosine", "schedule",
       "wsd or cosine");
  need(o.weight_decay >= 0 && o.weight_decay <= 10, "weight-decay",
       "from 0 to 10");
  need(o.beta1 >= 0 && o.beta1 < 1, "beta1", "from 0 to below 1");
  need(o.beta2 >= 0 && o.beta2 < 1, "beta2", "from 0 to below 1");
  need(o.clip >= 0, "clip", "0 or more");
  need(o.precision == "auto" || o.precision == "bf16" || o.precision == "f32",
       "precision", "auto, bf16 or f32");
}

Dtype precision_of(const TrainOptions& options) {
  if (options.precision == "bf16") return Dtype::bf16;
  if (options.precision == "f32") return Dtype::f32;
  return fastest_product_dtype();
}

void settle_context(TrainOptions& options, const ModelConfig& config) {
  if (options.context > config.max_position_embeddings)
    throw UsageError(
        "context {} is longer than the model's max-position-embeddings {}",
        options.context, config.max_position_embeddings);
  if (options.context == 0) options.context = config.max_position_embeddings;
  options.context = std::min(options.context, options.batch_tokens);
}

void settle_steps(TrainOptions& options, const BatchSource& batches) {
  if (options.steps > 0) return;
  const double needed = options.epochs *
                        static_cast<double>(batches.batches_per_epoch()) /
                        options.accumulate;
  options.steps = std::max<int64_t>(1, std::llround(needed));
}

std::string show_option(const std::string& value) { return value; }
std::string show_option(const std::vector<std::string>& value) {
  return fmt::format("{}", fmt::join(value, "\n"));
}

bool shapes_result(std::string_view option) {
  return option != "sample" && option != "sample-every" &&
         option != "checkpoint-every";
}

}  // namespace seodang
