#include "kernels/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/convert.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

template <class Out, class In>
void convert_rows(Tensor out, Tensor in) {
  for (int64_t r = 0; r < out.rows; ++r) {
    Out* to = out.row<Out>(r);
    const In* from = in.row<In>(r);
    if constexpr (std::is_same_v<Out, In>)
      std::memcpy(static_cast<void*>(to), from,
                  static_cast<size_t>(out.cols) * sizeof(Out));
    else
      for_each(out.cols, [&](auto d, int64_t i)
                             HWY_ATTR { store(d, load(d, from + i), to + i); });
  }
}

void ConvertRows(Tensor out, Tensor in) {
  with_type(out.dtype, [&](auto* to) {
    with_type(in.dtype, [&](auto* from) {
      convert_rows<std::remove_pointer_t<decltype(to)>,
                   std::remove_pointer_t<decltype(from)>>(out, in);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {
namespace {

// IEEE-754 binary16, only ever read: zero and subnormals are fraction · 2^-24.
float from_half(uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31;
  const uint32_t exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

void convert_half(Tensor out, Tensor in) {
  for (int64_t r = 0; r < out.rows; ++r)
    for (int64_t c = 0; c < out.cols; ++c) {
      const float value = from_half(in.row<uint16_t>(r)[c]);
      if (out.dtype == Dtype::f32)
        out.row<float>(r)[c] = value;
      else
        out.row<bf16>(r)[c] = bf16(value);
    }
}

}  // namespace

HWY_EXPORT(ConvertRows);

void convert_row(Tensor out, Tensor in) {
  if (in.dtype == Dtype::f16) return convert_half(out, in);
  HWY_DYNAMIC_DISPATCH(ConvertRows)(out, in);
}

void convert(Tensor out, Tensor in) {
  // One long row is split by columns.
  if (out.rows == 1) {
    parallel_ranges((out.cols + 4095) / 4096, [&](int64_t begin, int64_t end) {
      const int64_t from = begin * 4096;
      const int64_t count = std::min(out.cols, end * 4096) - from;
      convert_row(out.cols_from(from, count), in.cols_from(from, count));
    });
    return;
  }
  parallel_ranges(out.rows, [&](int64_t begin, int64_t end) {
    convert_row(out.rows_from(begin, end - begin),
                in.rows_from(begin, end - begin));
  });
}

}  // namespace seodang
#endif
