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

// The weight as it multiplies: f32, offset added. Valid until the thread's next
// call.
const float* whole_weight(Tensor weight, float offset) {
  thread_local std::vector<float> whole;
  whole.resize(static_cast<size_t>(weight.cols));
  with_type(weight.dtype, [&](auto* t) {
    using W = std::remove_pointer_t<decltype(t)>;
    const W* from = weight.row<W>(0);
    for_each(weight.cols, [&](auto d, int64_t i) HWY_ATTR {
      store(d, hn::Add(load(d, from + i), hn::Set(d, offset)),
            whole.data() + i);
    });
  });
  return whole.data();
}

template <class T, class X>
void forward_group(T* to, float* rstd, const X* in, const float* weight,
                   int64_t width, float eps, bool add) {
  const float square = sum_of(width, [&](auto d, int64_t i) HWY_ATTR {
    const auto v = load(d, in + i);
    return hn::Mul(v, v);
  });
  const float scale =
      1.0f / std::sqrt(square / static_cast<float>(width) + eps);
  if (rstd != nullptr) *rstd = scale;
  if (to == nullptr) return;
  for_each(width, [&](auto d, int64_t i) HWY_ATTR {
    const auto v = hn::Mul(load(d, in + i), hn::Set(d, scale));
    const auto y = hn::Mul(v, load(d, weight + i));
    store(d, add ? hn::Add(load(d, to + i), y) : y, to + i);
  });
}

void RmsnormForward(Tensor out, float* rstd, Tensor x, Tensor weight,
                    const RmsNorm& norm, bool add) {
  const int64_t width = weight.cols, groups = x.cols / width;
  const float* const w = whole_weight(weight, norm.weight_offset);
  with_type(out.dtype, [&](auto* t) {
    with_type(x.dtype, [&](auto* u) {
      using T = std::remove_pointer_t<decltype(t)>;
      using X = std::remove_pointer_t<decltype(u)>;
      parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
          for (int64_t g = 0; g < groups; ++g)
            forward_group<T>(out ? out.row<T>(r) + g * width : nullptr,
                             rstd != nullptr ? rstd + r * groups + g : nullptr,
                             x.row<X>(r) + g * width, w, width, norm.eps, add);
      });
    });
  });
}

// With n = x·rstd: dx = rstd·(dout⊙w − n·mean(dout⊙w⊙n)), dw = Σ dout⊙n.
template <class D, class T, class X>
void backward_group(D* to, float* dweight, const T* g, const X* in,
                    const float* weight, float scale, int64_t width, bool add) {
  const float dot = sum_of(width, [&](auto d, int64_t i) HWY_ATTR {
    return hn::Mul(hn::Mul(load(d, g + i), load(d, weight + i)),
                   load(d, in + i));
  });
  const float pull = dot * scale * scale * scale / static_cast<float>(width);
  for_each(width, [&](auto d, int64_t i) HWY_ATTR {
    const auto gi = load(d, g + i), xi = load(d, in + i);
    const auto k = hn::Set(d, scale);
    const auto before = add ? load(d, to + i) : hn::Zero(d);
    auto sum = hn::MulAdd(hn::Mul(gi, load(d, weight + i)), k, before);
    sum = hn::NegMulAdd(xi, hn::Set(d, pull), sum);
    store(d, sum, to + i);
    store(d, hn::MulAdd(hn::Mul(gi, xi), k, load(d, dweight + i)), dweight + i);
  });
}

void RmsnormBackward(Tensor dx, Tensor dweight, Tensor dout, Tensor x,
                     Tensor weight, const float* rstd, const RmsNorm& norm,
                     bool add) {
  // Each block of rows sums for itself; then the blocks are added in order.
  constexpr int64_t kBlocks = 16;
  const int64_t width = weight.cols, groups = x.cols / width;
  thread_local std::vector<float> sums;
  sums.assign(static_cast<size_t>(kBlocks * width), 0.0f);
  float* const blocks = sums.data();
  const float* const w = whole_weight(weight, norm.weight_offset);
  with_type(dx.dtype, [&](auto* d) {
    with_type(dout.dtype, [&](auto* t) {
      with_type(x.dtype, [&](auto* u) {
        using D = std::remove_pointer_t<decltype(d)>;
        using T = std::remove_pointer_t<decltype(t)>;
        using X = std::remove_pointer_t<decltype(u)>;
        parallel_ranges(kBlocks, [&](int64_t first, int64_t last) {
          for (int64_t b = first; b < last; ++b)
            for (int64_t r = x.rows * b / kBlocks;
                 r < x.rows * (b + 1) / kBlocks; ++r)
              for (int64_t g = 0; g < groups; ++g)
                backward_group(dx.row<D>(r) + g * width, blocks + b * width,
                               dout.row<T>(r) + g * width,
                               x.row<X>(r) + g * width, w, rstd[r * groups + g],
                               width, add);
        });
      });
    });
  });
  if (!dweight) return;
  float* total = dweight.row<float>(0);
  for (int64_t b = 0; b < kBlocks; ++b)
    for_each(width, [&](auto d, int64_t i) HWY_ATTR {
      store(d, hn::Add(load(d, total + i), load(d, blocks + b * width + i)),
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
                     const RmsNorm& norm, bool add) {
  HWY_DYNAMIC_DISPATCH(RmsnormForward)(out, rstd, x, weight, norm, add);
}

void rmsnorm_backward(Tensor dx, Tensor dweight, Tensor dout, Tensor x,
                      Tensor weight, const float* rstd, const RmsNorm& norm,
                      bool add) {
  HWY_DYNAMIC_DISPATCH(RmsnormBackward)
  (dx, dweight, dout, x, weight, rstd, norm, add);
}

}  // namespace seodang
#endif
