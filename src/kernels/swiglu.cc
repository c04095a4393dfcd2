#include "kernels/swiglu.h"

#include <algorithm>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/swiglu.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> sigmoid(D d, hn::Vec<D> z) {
  const auto one = hn::Set(d, 1.0f);
  // Beyond this exp() is out of range and σ(z) is 0 in f32 anyway.
  const auto x = hn::Min(hn::Neg(z), hn::Set(d, 87.0f));
  return hn::Div(one, hn::Add(one, hn::Exp(d, x)));
}

void SwigluForward(Tensor out, Tensor gate_up) {
  with_type(out.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_ranges(out.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* gate = gate_up.row<T>(r);
        const T* up = gate + out.cols;
        T* to = out.row<T>(r);
        for_each(out.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto g = load(d, gate + i);
          store(d, hn::Mul(hn::Mul(g, sigmoid(d, g)), load(d, up + i)), to + i);
        });
      }
    });
  });
}

// silu'(z) = σ(z)·(1 + z·(1 − σ(z))).
void SwigluBackward(Tensor dgate_up, Tensor dout, Tensor gate_up) {
  with_type(dout.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_ranges(dout.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* gate = gate_up.row<T>(r);
        const T* up = gate + dout.cols;
        const T* g_out = dout.row<T>(r);
        T* dgate = dgate_up.row<T>(r);
        T* dup = dgate + dout.cols;
        for_each(dout.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto g = load(d, gate + i), u = load(d, up + i);
          const auto dy = load(d, g_out + i);
          const auto s = sigmoid(d, g), one = hn::Set(d, 1.0f);
          const auto slope = hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
          store(d, hn::Mul(hn::Mul(dy, u), slope), dgate + i);
          store(d, hn::Mul(dy, hn::Mul(g, s)), dup + i);
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

HWY_EXPORT(SwigluForward);
HWY_EXPORT(SwigluBackward);

void swiglu_forward(Tensor out, Tensor gate_up) {
  HWY_DYNAMIC_DISPATCH(SwigluForward)(out, gate_up);
}

void swiglu_backward(Tensor dgate_up, Tensor dout, Tensor gate_up) {
  HWY_DYNAMIC_DISPATCH(SwigluBackward)(dgate_up, dout, gate_up);
}

}  // namespace seodang
#endif
