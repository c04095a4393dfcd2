#include "kernels/adamw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

void AdamwRange(float* weight, bf16* copy, float* first, float* second,
                float* grad, int64_t begin, int64_t end, int64_t step,
                const AdamW& o) {
  const double n = static_cast<double>(step);
  const float unbias1 =
      static_cast<float>(1 / (1 - std::pow(double{o.beta1}, n)));
  const float unbias2 =
      static_cast<float>(1 / (1 - std::pow(double{o.beta2}, n)));
  float *const w = weight + begin, *const m = first + begin,
               *const v = second + begin, *const g = grad + begin;
  bf16* const c = copy == nullptr ? nullptr : copy + begin;
  for_each(end - begin, [&](auto d, int64_t i) HWY_ATTR {
    const auto gi = hn::Mul(load(d, g + i), hn::Set(d, o.grad_scale));
    const auto mi = hn::MulAdd(load(d, m + i), hn::Set(d, o.beta1),
                               hn::Mul(gi, hn::Set(d, 1 - o.beta1)));
    const auto vi =
        hn::MulAdd(load(d, v + i), hn::Set(d, o.beta2),
                   hn::Mul(hn::Mul(gi, gi), hn::Set(d, 1 - o.beta2)));
    const auto wi = load(d, w + i);
    const auto root = hn::Sqrt(hn::Mul(vi, hn::Set(d, unbias2)));
    const auto move = hn::Div(hn::Mul(mi, hn::Set(d, unbias1)),
                              hn::Add(root, hn::Set(d, o.eps)));
    const auto update = hn::MulAdd(wi, hn::Set(d, o.weight_decay), move);
    const auto next = hn::NegMulAdd(update, hn::Set(d, o.learning_rate), wi);
    store(d, mi, m + i);
    store(d, vi, v + i);
    store(d, next, w + i);
    store(d, hn::Zero(d), g + i);
    if (c != nullptr) store(d, next, c + i);
  });
}

double SquaresOf(const float* x, int64_t n) {
  // f32 inside a block that is short enough to lose nothing that matters,
  // float64 across blocks.
  constexpr int64_t kBlock = 4096;
  double sum = 0;
  for (int64_t i = 0; i < n; i += kBlock)
    sum += sum_of(std::min(kBlock, n - i), [&](auto d, int64_t k) HWY_ATTR {
      const auto v = load(d, x + i + k);
      return hn::Mul(v, v);
    });
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(AdamwRange);
HWY_EXPORT(SquaresOf);

void adamw_step(float* weight, bf16* weight_bf16, float* first_moment,
                float* second_moment, float* grad, int64_t n, int64_t step,
                const AdamW& options) {
  constexpr int64_t kWorthAThread = 1 << 14;
  const auto range = [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(AdamwRange)
    (weight, weight_bf16, first_moment, second_moment, grad, begin, end, step,
     options);
  };
  if (n < kWorthAThread)
    range(0, n);
  else
    parallel_ranges(n, range);
}

double sum_of_squares(const float* x, int64_t n) {
  constexpr int64_t kParts = 64;
  double parts[kParts] = {};
  parallel_ranges(kParts, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      const int64_t begin = n * p / kParts, end = n * (p + 1) / kParts;
      parts[p] = HWY_DYNAMIC_DISPATCH(SquaresOf)(x + begin, end - begin);
    }
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace seodang
#endif
