#include "kernels/softcap.h"

#include <algorithm>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softcap.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

void SoftcapForward(Tensor x, float cap) {
  parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* at = x.row<float>(r);
      for_each(x.cols, [&](auto d, int64_t i) HWY_ATTR {
        const auto t =
            hn::Tanh(d, hn::Mul(load(d, at + i), hn::Set(d, 1 / cap)));
        store(d, hn::Mul(t, hn::Set(d, cap)), at + i);
      });
    }
  });
}

void SoftcapBackward(Tensor dx, Tensor y, float cap) {
  with_type(dx.dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallel_ranges(dx.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* to = dx.row<T>(r);
        const float* from = y.row<float>(r);
        for_each(dx.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto t = hn::Mul(load(d, from + i), hn::Set(d, 1 / cap));
          const auto slope = hn::NegMulAdd(t, t, hn::Set(d, 1.0f));
          store(d, hn::Mul(load(d, to + i), slope), to + i);
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

HWY_EXPORT(SoftcapForward);
HWY_EXPORT(SoftcapBackward);

void softcap_forward(Tensor x, float cap) {
  HWY_DYNAMIC_DISPATCH(SoftcapForward)(x, cap);
}

void softcap_backward(Tensor dx, Tensor y, float cap) {
  HWY_DYNAMIC_DISPATCH(SoftcapBackward)(dx, y, cap);
}

}  // namespace seodang
#endif
