#include "train/options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/matmul.h"

namespace seodang {

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
  if (options.minutes > 0 && options.schedule != "wsd")
    throw UsageError("--minutes {} needs --schedule wsd, not {}",
                     options.minutes, options.schedule);
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
  return option != "sample" && option != "probe" && option != "sample-every" &&
         option != "checkpoint-every";
}

}  // namespace seodang
