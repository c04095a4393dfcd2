#include "kernels/rmsnorm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rmsnorm.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

template <class T, class W>
void forward_rows(Tensor out, float* rstd, Tensor x, const W* weight, float eps,
                  int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* in = x.row<float>(r);
    T* to = out.row<T>(r);
    const float square = sum_of(x.cols, [&](auto d, int64_t i) HWY_ATTR {
      const auto v = load(d, in + i);
      return hn::Mul(v, v);
    });
    const float scale =
        1.0f / std::sqrt(square / static_cast<float>(x.cols) + eps);
    if (rstd != nullptr) rstd[r] = scale;
    for_each(x.cols, [&](auto d, int64_t i) HWY_ATTR {
      const auto v = hn::Mul(load(d, in + i), hn::Set(d, scale));
      store(d, hn::Mul(v, load(d, weight + i)), to + i);
    });
  }
}

void RmsnormForward(Tensor out, float* rstd, Tensor x, Tensor weight,
                    float eps) {
  with_type(out.dtype, [&](auto* t) {
    with_type(weight.dtype, [&](auto* w) {
      using T = std::remove_pointer_t<decltype(t)>;
      using W = std::remove_pointer_t<decltype(w)>;
      parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
        forward_rows<T>(out, rstd, x, weight.row<W>(0), eps, begin, end);
      });
    });
  });
}

// With n = x·rstd: dx = rstd·(dout⊙w − n·mean(dout⊙w⊙n)), dw = Σ dout⊙n.
template <class T, class W>
void backward_rows(Tensor dx, float* dweight, Tensor dout, Tensor x,
                   const W* weight, const float* rstd, int64_t begin,
                   int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* in = x.row<float>(r);
    const T* g = dout.row<T>(r);
    float* to = dx.row<float>(r);
    const float scale = rstd[r];
    const float dot = sum_of(x.cols, [&](auto d, int64_t i) HWY_ATTR {
      return hn::Mul(hn::Mul(load(d, g + i), load(d, weight + i)),
                     load(d, in + i));
    });
    const float pull = dot * scale * scale * scale / static_cast<float>(x.cols);
    for_each(x.cols, [&](auto d, int64_t i) HWY_ATTR {
      const auto gi = load(d, g + i), xi = load(d, in + i);
      const auto k = hn::Set(d, scale);
      auto sum =
          hn::MulAdd(hn::Mul(gi, load(d, weight + i)), k, load(d, to + i));
      sum = hn::NegMulAdd(xi, hn::Set(d, pull), sum);
      store(d, sum, to + i);
      store(d, hn::MulAdd(hn::Mul(gi, xi), k, load(d, dweight + i)),
            dweight + i);
    });
  }
}

void RmsnormBackward(Tensor dx, Tensor dweight, Tensor dout, Tensor x,
                     Tensor weight, const float* rstd) {
  // Each block of rows sums for itself; then the blocks are added in order.
  constexpr int64_t kBlocks = 16;
  thread_local std::vector<float> sums;
  sums.assign(static_cast<size_t>(kBlocks * x.cols), 0.0f);
  float* const blocks = sums.data();
  with_type(dout.dtype, [&](auto* t) {
    with_type(weight.dtype, [&](auto* w) {
      using T = std::remove_pointer_t<decltype(t)>;
      using W = std::remove_pointer_t<decltype(w)>;
      parallel_ranges(kBlocks, [&](int64_t first, int64_t last) {
        for (int64_t b = first; b < last; ++b)
          backward_rows<T>(dx, blocks + b * x.cols, dout, x, weight.row<W>(0),
                           rstd, x.rows * b / kBlocks,
                           x.rows * (b + 1) / kBlocks);
      });
    });
  });
  float* total = dweight.row<float>(0);
  for (int64_t b = 0; b < kBlocks; ++b)
    for_each(x.cols, [&](auto d, int64_t i) HWY_ATTR {
      store(d, hn::Add(load(d, total + i), load(d, blocks + b * x.cols + i)),
            total + i);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(RmsnormForward);
HWY_EXPORT(RmsnormBackward);

void rmsnorm_forward(Tensor out, float* rstd, Tensor x, Tensor weight,
                     float eps) {
  HWY_DYNAMIC_DISPATCH(RmsnormForward)(out, rstd, x, weight, eps);
}

void rmsnorm_backward(Tensor dx, Tensor dweight, Tensor dout, Tensor x,
                      Tensor weight, const float* rstd) {
  HWY_DYNAMIC_DISPATCH(RmsnormBackward)(dx, dweight, dout, x, weight, rstd);
}

}  // namespace seodang
#endif
