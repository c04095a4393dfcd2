// One step of training a LoRA adapter of all linear layers over a model that
// stays in its file, timed: forward, backward and AdamW on random tokens.
// Prints JSON. Beside bench/lora_step.py, which is the same in PyTorch.
//   build/bench/lora_step MODEL [steps] [recompute] [mapped]
// "mapped": 16-bit weights are read where they lie in the file, not copied.
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

void run(const char* path, int steps, bool recompute, bool mapped) {
  constexpr int32_t kLength = 512;
  const Dtype dtype = fastest_product_dtype();
  Model model =
      mapped ? Model::map(path, dtype) : Model::load_frozen(path, dtype);
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
  const double rate = kLength / seconds[seconds.size() / 2];
  // The weights have no gradient: two of three products.
  const double flops = config.train_flops(1, 1, kLength) * 2 / 3;
  fmt::print(
      "{{\"dtype\":\"{}\",\"tokens_per_second\":{:.1f},\"gflops\":{:.0f},"
      "\"peak_gflops\":{:.0f},\"weights_bytes\":{},"
      "\"peak_bytes\":{},\"trainable\":{}}}\n",
      name_of(dtype), rate, rate * flops / 1e9,
      measure_product_peak(dtype) / 1e9, stored,
      int64_t{usage.ru_maxrss} * 1024, optimizer.num_trainable_parameters(),
      recompute);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "lora_step MODEL [steps] [recompute] [mapped]\n");
    return 2;
  }
  limit_isa();
  set_num_threads(0);
  try {
    const auto has = [&](std::string_view word) {
      return std::find(argv + 1, argv + argc, word) != argv + argc;
    };
    run(argv[1], argc > 2 ? std::atoi(argv[2]) : 3, has("recompute"),
        has("mapped"));
  } catch (const std::exception& error) {
    fmt::print(stderr, "lora_step: {}\n", error.what());
    return 1;
  }
}
