// One training step, timed: forward, backward, gradient norm and AdamW on
// random tokens. Prints JSON. Beside bench/train_step.py, which is the same in
// PyTorch.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
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

// A Llama of 34.1M parameters, untied.
ModelConfig bench_config() {
  ModelConfig c;
  c.hidden_size = 512;
  c.intermediate_size = 1408;
  c.num_hidden_layers = 8;
  c.num_attention_heads = 8;
  c.num_key_value_heads = 8;
  c.head_dim = 64;
  c.vocab_size = 8192;
  c.max_position_embeddings = 512;
  c.tie_word_embeddings = false;
  return c;
}

}  // namespace

// train_step [bf16|f32] [steps]
int main(int argc, char** argv) {
  const bool f32 = argc > 1 && std::string_view(argv[1]) == "f32";
  const int steps = argc > 2 ? std::atoi(argv[2]) : 5;
  constexpr int32_t kSequences = 8, kLength = 512;
  limit_isa();
  set_num_threads(0);
  const Dtype dtype = f32 ? Dtype::f32 : Dtype::bf16;
  const ModelConfig config = bench_config();
  Optimizer optimizer(Model::random(config, 1, Dtype::f32), dtype);
  Decoder decoder(config, optimizer.weights(), kSequences * kLength, Keep::all);
  Batch batch;
  Rng rng(2);
  for (int32_t i = 0; i < kSequences * kLength; ++i) {
    batch.tokens.push_back(static_cast<int32_t>(rng.below(8192)));
    batch.targets.push_back(static_cast<int32_t>(rng.below(8192)));
    if (i % kLength == 0) batch.spans.push_back({i, kLength});
  }
  const double tokens = static_cast<double>(batch.tokens.size());
  AdamW adamw;
  adamw.learning_rate = 3e-4f;
  adamw.weight_decay = 0.1f;
  std::vector<double> seconds;
  for (int step = 1; step <= steps + 1; ++step) {
    const auto begin = Clock::now();
    decoder.accumulate_gradients(batch, optimizer.gradients(),
                                 static_cast<float>(1 / tokens));
    const double norm = optimizer.gradient_norm();
    adamw.grad_scale = static_cast<float>(std::min(1.0, 1 / norm));
    optimizer.step(step, adamw);
    const std::chrono::duration<double> spent = Clock::now() - begin;
    if (step > 1) seconds.push_back(spent.count());  // the first one warms up
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const double flops = config.train_flops(1, 1, kLength);
  fmt::print(
      "{{\"dtype\":\"{}\",\"tokens_per_second\":{:.0f},\"gflops\":{:.1f},"
      "\"peak_gflops\":{:.1f},\"parameters\":{}}}\n",
      f32 ? "f32" : "bf16", tokens / median, tokens / median * flops / 1e9,
      measure_product_peak(dtype) / 1e9, config.num_parameters());
}
