#include "kernels/glu.h"

#include <algorithm>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glu.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

template <class V>
struct ValueAndSlope {
  V value, slope;
};

template <class D>
HWY_INLINE hn::Vec<D> sigmoid(D d, hn::Vec<D> z) {
  const auto one = hn::Set(d, 1.0f);
  // Beyond this exp() is out of range and σ(z) is 0 in f32 anyway.
  const auto x = hn::Min(hn::Neg(z), hn::Set(d, 87.0f));
  return hn::Div(one, hn::Add(one, hn::Exp(d, x)));
}

// silu'(z) = σ(z)·(1 + z·(1 − σ(z))).
struct Silu {
  template <class D, class V>
  static HWY_INLINE V value(D d, V z) {
    return hn::Mul(z, sigmoid(d, z));
  }
  template <class D, class V>
  static HWY_INLINE ValueAndSlope<V> both(D d, V z) {
    const auto s = sigmoid(d, z), one = hn::Set(d, 1.0f);
    return {hn::Mul(z, s), hn::Mul(s, hn::MulAdd(z, hn::Sub(one, s), one))};
  }
};

// With t = tanh(u), u = a·(z + b·z³): slope (1 + t)/2 + z/2·(1 − t²)·u',
// u' = a·(1 + 3b·z²).
struct GeluTanh {
  static constexpr float kA = 0.7978845608f, kB = 0.044715f;

  template <class D, class V>
  static HWY_INLINE V tanh_of(D d, V z, V square) {
    const auto u =
        hn::Mul(hn::Mul(hn::Set(d, kA), z),
                hn::MulAdd(hn::Set(d, kB), square, hn::Set(d, 1.0f)));
    return hn::Tanh(d, u);
  }
  template <class D, class V>
  static HWY_INLINE V value(D d, V z) {
    return both(d, z).value;
  }
  template <class D, class V>
  static HWY_INLINE ValueAndSlope<V> both(D d, V z) {
    const auto one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f);
    const auto square = hn::Mul(z, z), t = tanh_of(d, z, square);
    const auto lower = hn::Mul(half, hn::Add(one, t));
    const auto du =
        hn::Mul(hn::Set(d, kA), hn::MulAdd(hn::Set(d, 3 * kB), square, one));
    const auto dt = hn::Mul(hn::NegMulAdd(t, t, one), du);
    return {hn::Mul(z, lower), hn::MulAdd(hn::Mul(half, z), dt, lower)};
  }
};

template <class Act>
void forward_rows(Tensor out, Tensor gate_up) {
  with_type(out.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_ranges(out.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* gate = gate_up.row<T>(r);
        const T* up = gate + out.cols;
        T* to = out.row<T>(r);
        for_each(out.cols, [&](auto d, int64_t i) HWY_ATTR {
          const auto y = Act::value(d, load(d, gate + i));
          store(d, hn::Mul(y, load(d, up + i)), to + i);
        });
      }
    });
  });
}

template <class Act>
void backward_rows(Tensor dgate_up, Tensor dout, Tensor gate_up) {
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
          const auto y = Act::both(d, g);
          store(d, hn::Mul(hn::Mul(dy, u), y.slope), dgate + i);
          store(d, hn::Mul(dy, y.value), dup + i);
        });
      }
    });
  });
}

void GluForward(Tensor out, Tensor gate_up, Activation activation) {
  if (activation == Activation::silu)
    forward_rows<Silu>(out, gate_up);
  else
    forward_rows<GeluTanh>(out, gate_up);
}

void GluBackward(Tensor dgate_up, Tensor dout, Tensor gate_up,
                 Activation activation) {
  if (activation == Activation::silu)
    backward_rows<Silu>(dgate_up, dout, gate_up);
  else
    backward_rows<GeluTanh>(dgate_up, dout, gate_up);
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(GluForward);
HWY_EXPORT(GluBackward);

void glu_forward(Tensor out, Tensor gate_up, Activation activation) {
  HWY_DYNAMIC_DISPATCH(GluForward)(out, gate_up, activation);
}

void glu_backward(Tensor dgate_up, Tensor dout, Tensor gate_up,
                  Activation activation) {
  HWY_DYNAMIC_DISPATCH(GluBackward)(dgate_up, dout, gate_up, activation);
}

}  // namespace seodang
#endif
