#include "kernels/convert.h"

#include <algorithm>
#include <cstring>

#include "base/threads.h"
#include "kernels/quantize.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/convert.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

template <class Out, class In>
void convert_rows(Tensor out, Tensor in) {
  if (out.size() == 0) return;  // and perhaps no memory
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
  with_stored_type(out.dtype, [&](auto* to) {
    with_stored_type(in.dtype, [&](auto* from) {
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
HWY_EXPORT(ConvertRows);

void convert_row(Tensor out, Tensor in) {
  if (is_quantized(in.dtype)) {
    if (out.dtype != in.dtype) return dequantize(out, in);
    for (int64_t r = 0; r < out.rows; ++r)
      std::memcpy(out.rows_from(r, 1).data, in.rows_from(r, 1).data,
                  bytes_of(out.dtype, out.cols));
    return;
  }
  HWY_DYNAMIC_DISPATCH(ConvertRows)(out, in);
}

void convert(Tensor out, Tensor in) {
  // One long row is split by columns.
  if (out.rows == 1 && !is_quantized(in.dtype)) {
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
