#include "kernels/matvec.h"

#include <hwy/cache_control.h>
#include <algorithm>

#include "base/threads.h"
#include "kernels/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matvec.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// out[n] = Σ x[n]·w for kRows rows of x, `stride` numbers apart. Each has four
// sums that take turns, so that additions do not wait for one another; a number
// of w is loaded once.
template <int kRows, class W>
HWY_INLINE void dot_rows(const W* w, const float* x, int64_t stride,
                         int64_t cols, float* out) {
  const hn::ScalableTag<float> d;
  using Vec = hn::Vec<decltype(d)>;
  constexpr int kSums = 4;
  // Numbers ahead: hardware stops prefetching at the end of a page.
  constexpr int64_t kPrefetch = 1024;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  Vec sums[kRows][kSums];
  for (auto& row : sums)
    for (Vec& sum : row) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kSums * lanes <= cols; i += kSums * lanes) {
    hwy::Prefetch(w + i + kPrefetch);
    for (int s = 0; s < kSums; ++s) {
      const Vec numbers = load(d, w + i + s * lanes);
      for (int n = 0; n < kRows; ++n)
        sums[n][s] = hn::MulAdd(
            numbers, hn::LoadU(d, x + n * stride + i + s * lanes), sums[n][s]);
    }
  }
  for (int n = 0; n < kRows; ++n) {
    int64_t rest = i;
    for (; rest + lanes <= cols; rest += lanes)
      sums[n][0] = hn::MulAdd(load(d, w + rest),
                              hn::LoadU(d, x + n * stride + rest), sums[n][0]);
    float total = hn::GetLane(
        hn::SumOfLanes(d, hn::Add(hn::Add(sums[n][0], sums[n][1]),
                                  hn::Add(sums[n][2], sums[n][3]))));
    for (; rest < cols; ++rest)
      total += static_cast<float>(w[rest]) * x[n * stride + rest];
    out[n] = total;
  }
}

// Columns [begin, end) of y; x f32.
void MultiplyRows(Tensor y, Tensor x, Tensor w, bool add, int64_t begin,
                  int64_t end) {
  with_stored_type(w.dtype, [&](auto* null) HWY_ATTR {
    using W = std::remove_pointer_t<decltype(null)>;
    float dots[kMatvecRows];
    for (int64_t o = begin; o < end; ++o) {
      const W* row = w.row<W>(o);
      int64_t n = 0;
      for (; n + 2 <= x.rows; n += 2)
        dot_rows<2>(row, x.row<float>(n), x.stride, w.cols, dots + n);
      if (n < x.rows)
        dot_rows<1>(row, x.row<float>(n), x.stride, w.cols, dots + n);
      for (n = 0; n < y.rows; ++n) {
        if (y.dtype == Dtype::f32) {
          float& to = y.row<float>(n)[o];
          to = add ? to + dots[n] : dots[n];
        } else {
          bf16& to = y.row<bf16>(n)[o];
          to = bf16(add ? static_cast<float>(to) + dots[n] : dots[n]);
        }
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(MultiplyRows);

void matvec(Tensor y, Tensor x, Tensor w, bool add) {
  thread_local Buffer numbers;
  if (x.dtype != Dtype::f32) {
    const Tensor wide(numbers.at_least(bytes_of(Dtype::f32, x.size())),
                      Dtype::f32, x.rows, x.cols);
    convert_row(wide, x);
    x = wide;
  }
  parallel_ranges(w.rows, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(MultiplyRows)(y, x, w, add, begin, end);
  });
}

}  // namespace seodang
#endif
