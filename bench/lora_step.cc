// One step of training a LoRA adapter of all linear layers over a model that
// stays in its file, timed: forward, backward and AdamW on random tokens.
// Prints JSON. Beside bench/lora_step.py, which is the same in PyTorch.
//   build/bench/lora_step MODEL [steps] [recompute]
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "kernels/matmul.h"
#include "kernels/processor.h"
#include "model/decoder.h"
#include "train/optimizer.h"

namespace {

using namespace seodang;
using Clock = std::chrono::steady_clock;

void run(const char* path, int steps, bool recompute) {
  constexpr int32_t kLength = 512;
  const Dtype dtype = fastest_product_dtype();
  Model model = Model::load_frozen(path, dtype);
  const ModelConfig config = model.config();
  int64_t stored = 0;
  for (const NamedTensor& weight : named_weights(config, model.weights()))
    stored += static_cast<int64_t>(
        bytes_of(weight.tensor.dtype, weight.tensor.size()));
  Optimizer optimizer(std::move(model),
                      Adapter::create(config, {.rank = 16}, 1, path), dtype);
  Decoder decoder(config, optimizer.weights(), kLength,
                  recompute ? Keep::inputs : Keep::all);
  Batch batch;
  Rng rng(2);
  const auto random_token = [&] {
    return static_cast<int32_t>(rng.below(config.vocab_size));
  };
  batch.spans.push_back({0, kLength});
  for (int32_t i = 0; i < kLength; ++i) {
    batch.tokens.push_back(random_token());
    batch.targets.push_back(random_token());
  }
  AdamW adamw;
  adamw.learning_rate = 2e-4f;
  std::vector<double> seconds;
  for (int step = 1; step <= steps + 1; ++step) {
    const auto begin = Clock::now();
    decoder.accumulate_gradients(batch, optimizer.gradients(), 1.0f / kLength);
    optimizer.step(step, adamw);
    const std::chrono::duration<double> spent = Clock::now() - begin;
    if (step > 1) seconds.push_back(spent.count());  // the first one warms up
  }
  std::sort(seconds.begin(), seconds.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      "{{\"dtype\":\"{}\",\"tokens_per_second\":{:.1f},\"weights_bytes\":{},"
      "\"peak_bytes\":{},\"trained\":{},\"recompute\":{}}}\n",
      name_of(dtype), kLength / seconds[seconds.size() / 2], stored,
      int64_t{usage.ru_maxrss} * 1024, optimizer.num_trainable_parameters(),
      recompute);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "lora_step MODEL [steps] [recompute]\n");
    return 2;
  }
  limit_isa();
  set_num_threads(0);
  try {
    run(argv[1], argc > 2 ? std::atoi(argv[2]) : 3,
        argc > 3 && std::string_view(argv[3]) == "recompute");
  } catch (const std::exception& error) {
    fmt::print(stderr, "lora_step: {}\n", error.what());
    return 1;
  }
}
