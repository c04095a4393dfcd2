#include "kernels/bias.h"

#include <algorithm>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bias.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

void BiasForward(Tensor y, Tensor bias) {
  with_type(y.dtype, [&](auto* t) {
    with_type(bias.dtype, [&](auto* b) {
      using T = std::remove_pointer_t<decltype(t)>;
      using B = std::remove_pointer_t<decltype(b)>;
      const B* add = bias.row<B>(0);
      parallel_ranges(y.rows, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          T* to = y.row<T>(r);
          for_each(y.cols, [&](auto d, int64_t i) HWY_ATTR {
            store(d, hn::Add(load(d, to + i), load(d, add + i)), to + i);
          });
        }
      });
    });
  });
}

void BiasBackward(Tensor dbias, Tensor dy) {
  with_type(dy.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    // Threads share the columns.
    parallel_ranges(dy.cols, [&](int64_t begin, int64_t end) {
      float* to = dbias.row<float>(0) + begin;
      for (int64_t r = 0; r < dy.rows; ++r) {
        const T* from = dy.row<T>(r) + begin;
        for_each(end - begin, [&](auto d, int64_t i) HWY_ATTR {
          store(d, hn::Add(load(d, to + i), load(d, from + i)), to + i);
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

HWY_EXPORT(BiasForward);
HWY_EXPORT(BiasBackward);

void bias_forward(Tensor y, Tensor bias) {
  HWY_DYNAMIC_DISPATCH(BiasForward)(y, bias);
}

void bias_backward(Tensor dbias, Tensor dy) {
  HWY_DYNAMIC_DISPATCH(BiasBackward)(dbias, dy);
}

}  // namespace seodang
#endif
