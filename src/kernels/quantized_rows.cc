#include "kernels/quantized_rows.h"

#include <algorithm>
#include <cstring>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized_rows.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// 32 numbers are rounded to q; returns their scale.
template <class T>
HWY_INLINE float round_group(const T* x, int8_t* q) {
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<int8_t, decltype(d)> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto most = hn::Zero(d);
  for (int64_t i = 0; i < 32; i += lanes)
    most = hn::Max(most, hn::Abs(load(d, x + i)));
  const float largest = hn::GetLane(hn::MaxOfLanes(d, most));
  const float inverse = largest > 0 ? 127 / largest : 0;
  for (int64_t i = 0; i < 32; i += lanes)
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(hn::Mul(load(d, x + i),
                                                       hn::Set(d, inverse)))),
               d8, q + i);
  return largest / 127;
}

template <class T>
void quantize_row(const T* x, const QuantizedRows& out, int64_t n, int offset) {
  const int64_t unit = out.unit, runs = out.cols / out.sum_of;
  const int64_t first = n / unit * unit, own = n % unit;
  int8_t* q = out.q + first * out.cols + own * 4;
  float* scale = out.scale + first * (out.cols / 32) + own;
  int32_t* start = out.start + first * runs + own;
  float* sum = out.sum + first * runs + own;
  for (int64_t g = 0; g < out.cols / 32; ++g, x += 32) {
    int8_t rounded[32];
    *scale = round_group(x, rounded);
    for (int i = 0; i < 32; i += 4, q += 4 * unit)
      std::memcpy(q, rounded + i, 4);
    for (int run = 0; run < 32; run += out.sum_of) {
      int32_t added = 0;
      for (int i = run; i < run + out.sum_of; ++i) added += rounded[i];
      *start = -offset * added;
      *sum = *scale * static_cast<float>(added);
      start += unit;
      sum += unit;
    }
    scale += unit;
  }
}

void QuantizeRows(const QuantizedRows& out, Tensor x, int offset, int64_t begin,
                  int64_t end) {
  with_type(x.dtype, [&](auto* null) {
    for (int64_t n = begin; n < end; ++n)
      quantize_row(x.row<std::remove_pointer_t<decltype(null)>>(n), out, n,
                   offset);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(QuantizeRows);

QuantizedRows quantize_rows(Buffer& memory, Tensor x, int64_t unit, int sum_of,
                            int offset) {
  // Rows that one thread has rounded before another would have begun.
  constexpr int64_t kFewRows = 16;
  QuantizedRows out;
  out.rows = (x.rows + unit - 1) / unit * unit;
  out.cols = x.cols;
  out.unit = unit;
  out.sum_of = sum_of;
  const auto numbers = static_cast<size_t>(out.rows * x.cols);
  const size_t groups = numbers / 32;
  const size_t runs = numbers / static_cast<size_t>(sum_of);
  const size_t bytes = numbers + (groups + 2 * runs) * sizeof(float);
  out.q = static_cast<int8_t*>(memory.at_least(bytes));
  out.scale = reinterpret_cast<float*>(out.q + numbers);
  out.sum = out.scale + groups;
  out.start = reinterpret_cast<int32_t*>(out.sum + runs);

  // The last unit's rows lie among one another.
  if (out.rows > x.rows) {
    const int64_t first = out.rows - unit, per_unit = unit * x.cols;
    std::fill_n(out.q + first * x.cols, per_unit, int8_t{0});
    std::fill_n(out.scale + first * x.cols / 32, per_unit / 32, 0.0f);
    std::fill_n(out.sum + first * x.cols / sum_of, per_unit / sum_of, 0.0f);
    std::fill_n(out.start + first * x.cols / sum_of, per_unit / sum_of, 0);
  }
  if (x.rows <= kFewRows)
    HWY_DYNAMIC_DISPATCH(QuantizeRows)(out, x, offset, 0, x.rows);
  else
    parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(QuantizeRows)(out, x, offset, begin, end);
    });
  return out;
}

}  // namespace seodang
#endif
