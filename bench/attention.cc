// Attention by itself, timed: reading prompts of several lengths, training's
// backward, and writing one token behind many. Prints GFLOP/s, and for writing
// the GB/s of keys and values; beside them what products of this machine reach.
//   build/bench/attention [THREADS]
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "kernels/attention.h"
#include "kernels/convert.h"
#include "kernels/matmul.h"
#include "kernels/processor.h"

namespace {

using namespace seodang;

struct Model {
  const char* name;
  int32_t heads, kv_heads, dim;
};
constexpr Model kModels[] = {{"Llama 3.2 1B", 32, 8, 64},
                             {"Gemma 3 1B", 4, 1, 256},
                             {"Qwen3 0.6B", 16, 8, 128}};

OwnedTensor random_numbers(Dtype dtype, int64_t rows, int64_t cols) {
  const OwnedTensor numbers(Dtype::f32, rows, cols);
  Rng rng(1);
  for (int64_t i = 0; i < rows * cols; ++i)
    numbers.view().row<float>(0)[i] = static_cast<float>(rng.normal());
  OwnedTensor out(dtype, rows, cols);
  convert(out, numbers);
  return out;
}

template <class Work>
double best_seconds(Work&& work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9, total = 0;
  work();
  for (int i = 0; i < 3 || (total < 0.5 && i < 200); ++i) {
    const auto begin = Clock::now();
    work();
    const double seconds =
        std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

void time_model(const Model& model, Dtype dtype) {
  const int64_t width = int64_t{model.heads} * model.dim;
  const int64_t kv_width = int64_t{model.kv_heads} * model.dim;
  AttentionShape shape{model.heads, model.kv_heads, model.dim, 0, 0, 0};
  shape.scale = 1 / std::sqrt(static_cast<float>(model.dim));
  fmt::print("{}, {} heads of {}, {} of keys, {}\n", model.name, model.heads,
             model.dim, model.kv_heads, name_of(dtype));
  for (const int64_t length : {128, 1024, 8192}) {
    const OwnedTensor q = random_numbers(dtype, length, width);
    const OwnedTensor k = random_numbers(dtype, length, kv_width);
    const OwnedTensor v = random_numbers(dtype, length, kv_width);
    const OwnedTensor g = random_numbers(dtype, length, width);
    const OwnedTensor out(dtype, length, width), dq(dtype, length, width);
    const OwnedTensor dk(dtype, length, kv_width), dv(dtype, length, kv_width);
    std::vector<float> lse(static_cast<size_t>(length * model.heads));
    std::vector<AttentionSpan> spans = {{0, length, k.view().data,
                                         v.view().data, length, dtype, kv_width,
                                         model.dim}};
    // Half of the T×T pairs of queries and keys are seen.
    const double flops = 2.0 * static_cast<double>(length * length * width);
    const double read = best_seconds(
        [&] { attention_forward(out, lse.data(), q, spans, shape); });
    fmt::print("  {:5} tokens: read {:6.1f} GFLOP/s", length,
               flops / read / 1e9);
    if (length <= 1024) {
      const double back = best_seconds([&] {
        attention_backward(dq, dk, dv, g, out, lse.data(), q, k, v, spans,
                           shape);
      });
      fmt::print(", backward {:6.1f}", 2.5 * flops / back / 1e9);
    }
    // A kv_cache: a head's tokens lie together.
    spans[0].query_length = 1;
    spans[0].stride = model.dim;
    spans[0].head_stride = length * model.dim;
    const double write =
        best_seconds([&] { attention_forward(out, nullptr, q, spans, shape); });
    fmt::print(", write one {:5.1f} GB/s\n",
               static_cast<double>(bytes_of(dtype, 2 * length * kv_width)) /
                   write / 1e9);
  }
}

void run() {
  fmt::print("{}\n", describe_processor());
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    fmt::print("products in {}: {:.0f} GFLOP/s\n", name_of(dtype),
               measure_product_peak(dtype) / 1e9);
    for (const Model& model : kModels) time_model(model, dtype);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    fmt::print(stderr, "attention [THREADS]\n");
    return 2;
  }
  set_num_threads(argc > 1 ? std::atoi(argv[1]) : 0);
  try {
    limit_isa();
    run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
