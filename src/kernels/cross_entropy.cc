#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross_entropy.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// log Σ exp(z), the largest z taken out first so that nothing overflows. A NaN
// or an infinity among the logits makes the result NaN.
HWY_INLINE float log_sum_exp(int64_t n, const float* z, float* most) {
  const float top = max_of(n, z);
  *most = top;
  const float sum = sum_of(n, [&](auto d, int64_t i) HWY_ATTR {
    return hn::Exp(d, hn::Sub(load(d, z + i), hn::Set(d, top)));
  });
  // max_of may pass over a NaN; a plain sum does not.
  const float plain =
      sum_of(n, [&](auto d, int64_t i) HWY_ATTR { return load(d, z + i); });
  return std::isfinite(plain) ? top + std::log(sum)
                              : std::numeric_limits<float>::quiet_NaN();
}

void CrossEntropy(float* losses, Tensor logits, const int32_t* targets) {
  parallel_ranges(logits.rows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      losses[r] = 0;
      if (targets[r] < 0) continue;
      const float* z = logits.row<float>(r);
      float most = 0;
      losses[r] = log_sum_exp(logits.cols, z, &most) - z[targets[r]];
    }
  });
}

void CrossEntropyGradient(float* losses, Tensor dlogits, Tensor logits,
                          const int32_t* targets, const float* weights) {
  with_type(dlogits.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_ranges(logits.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* to = dlogits.row<T>(r);
        losses[r] = 0;
        if (targets[r] < 0) {
          std::memset(static_cast<void*>(to), 0,
                      static_cast<size_t>(logits.cols) * sizeof(T));
          continue;
        }
        const float* z = logits.row<float>(r);
        float most = 0;
        const float total = log_sum_exp(logits.cols, z, &most);
        losses[r] = total - z[targets[r]];
        for_each(logits.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto p = hn::Exp(d, hn::Sub(load(d, z + i), hn::Set(d, total)));
          store(d, hn::Mul(p, hn::Set(d, weights[r])), to + i);
        });
        const float p = std::exp(z[targets[r]] - total);
        to[targets[r]] = T(weights[r] * (p - 1));
      }
    });
  });
}

void DistillationGradient(float* divergences, Tensor dlogits, Tensor logits,
                          Tensor teacher_logits, float scale) {
  with_type(dlogits.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_ranges(logits.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* to = dlogits.row<T>(r);
        const float* z = logits.row<float>(r);
        const float* teacher = teacher_logits.row<float>(r);
        float most = 0;
        const float total = log_sum_exp(logits.cols, z, &most);
        const float teacher_total = log_sum_exp(logits.cols, teacher, &most);
        divergences[r] = sum_of(logits.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto log_p = hn::Sub(load(d, z + i), hn::Set(d, total));
          const auto log_teacher =
              hn::Sub(load(d, teacher + i), hn::Set(d, teacher_total));
          return hn::Mul(hn::Exp(d, log_teacher), hn::Sub(log_teacher, log_p));
        });
        for_each(logits.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto p = hn::Exp(d, hn::Sub(load(d, z + i), hn::Set(d, total)));
          const auto p_teacher = hn::Exp(
              d, hn::Sub(load(d, teacher + i), hn::Set(d, teacher_total)));
          store(d, hn::Mul(hn::Sub(p, p_teacher), hn::Set(d, scale)), to + i);
        });
      }
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(CrossEntropy);
HWY_EXPORT(CrossEntropyGradient);
HWY_EXPORT(DistillationGradient);

void cross_entropy_forward(float* losses, Tensor logits,
                           const int32_t* targets) {
  HWY_DYNAMIC_DISPATCH(CrossEntropy)(losses, logits, targets);
}

void cross_entropy_forward_backward(float* losses, Tensor dlogits,
                                    Tensor logits, const int32_t* targets,
                                    const float* weights) {
  HWY_DYNAMIC_DISPATCH(CrossEntropyGradient)
  (losses, dlogits, logits, targets, weights);
}

void distillation_forward_backward(float* divergences, Tensor dlogits,
                                   Tensor logits, Tensor teacher_logits,
                                   float scale) {
  HWY_DYNAMIC_DISPATCH(DistillationGradient)
  (divergences, dlogits, logits, teacher_logits, scale);
}

}  // namespace seodang
#endif
