// A training step after the first allocates nothing of size: what a step needs
// is there from the beginning. (oneDNN's argument lists, a few hundred bytes a
// product, come and go.)
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/rng.h"
#include "base/threads.h"
#include "model/decoder.h"
#include "train/optimizer.h"

namespace {
std::atomic<bool> watching{false};
std::atomic<int64_t> large_allocations{0};
constexpr size_t kLarge = 1024;
}  // namespace

// AddressSanitizer has an operator new of its own and wants every block from
// it. Inlined into half of their callers they would look like a mismatch.
#ifndef SEODANG_SANITIZED
[[gnu::noinline]] void* operator new(size_t size) {
  if (watching && size >= kLarge) ++large_allocations;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif

namespace seodang {
namespace {

class TrainingStep : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, TrainingStep, testing::Bool(), [](const auto& muon) {
  return muon.param ? "Muon" : "AdamW";
});

TEST_P(TrainingStep, AllocatesNothingAfterTheFirst) {
  ModelConfig config = config_of_size(model_size("nano"), 300);
  Optimizer optimizer(Model::random(config, 1, Dtype::f32), Dtype::bf16,
                      /*muon=*/GetParam());
  Decoder decoder(config, optimizer.weights(), 512, Keep::all);
  Batch batch;
  Rng rng(2);
  for (int32_t i = 0; i < 512; ++i) {
    batch.tokens.push_back(static_cast<int32_t>(rng.below(300)));
    batch.targets.push_back(static_cast<int32_t>(rng.below(300)));
    if (i % 64 == 0) batch.spans.push_back({i, 64});
  }
  AdamW adamw;
  adamw.learning_rate = 1e-3f;
  const auto step = [&](int64_t n) {
    decoder.accumulate_gradients(batch, optimizer.gradients(), 1.0f / 512);
    EXPECT_GT(optimizer.gradient_norm(), 0);
    optimizer.step(n, adamw);
  };
  step(1);
  watching = true;
  for (int64_t n = 2; n < 5; ++n) step(n);
  watching = false;
  EXPECT_EQ(large_allocations, 0);

  // Small blocks that were freed stay with the thread that freed them: what is
  // in use is counted with one thread.
  set_num_threads(1);
  step(5);
  const auto in_use = [] {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const size_t before = in_use();
  for (int64_t n = 6; n < 9; ++n) step(n);
  EXPECT_LE(in_use(), before + kLarge);
  set_num_threads(0);
}

}  // namespace
}  // namespace seodang
