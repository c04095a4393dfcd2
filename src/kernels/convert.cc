#include "kernels/convert.h"

#include <cmath>
#include <cstring>

#include "base/threads.h"

namespace seodang {
namespace {

// IEEE-754 binary16 bits, only ever read here.
struct Half {
  uint16_t bits;
  explicit operator float() const {
    const uint32_t sign = uint32_t{bits} >> 15 << 31;
    const uint32_t exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent == 0) {  // zero and subnormals: fraction · 2^-24
      const float value = std::ldexp(static_cast<float>(fraction), -24);
      return sign != 0 ? -value : value;
    }
    const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
  }
};

template <class Out, class In>
void convert_rows(Tensor out, Tensor in) {
  parallel_ranges(out.rows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      Out* to = out.row<Out>(r);
      const In* from = in.row<In>(r);
      if constexpr (std::is_same_v<Out, In>) {
        std::memcpy(to, from, static_cast<size_t>(out.cols) * sizeof(Out));
      } else {
        for (int64_t c = 0; c < out.cols; ++c)
          to[c] = Out(static_cast<float>(from[c]));
      }
    }
  });
}

template <class Out>
void convert_to(Tensor out, Tensor in) {
  switch (in.dtype) {
    case Dtype::f32:
      return convert_rows<Out, float>(out, in);
    case Dtype::bf16:
      return convert_rows<Out, bf16>(out, in);
    case Dtype::f16:
      return convert_rows<Out, Half>(out, in);
  }
}

}  // namespace

void convert(Tensor out, Tensor in) {
  if (out.dtype == Dtype::f32)
    convert_to<float>(out, in);
  else
    convert_to<bf16>(out, in);
}

}  // namespace seodang
