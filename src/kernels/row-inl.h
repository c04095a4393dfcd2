// Shared by the kernels, once per target: rows of f32, bf16 or f16 numbers as
// vectors of f32. Included after hwy/foreach_target.h, so it has no #pragma
// once.
#if defined(SEODANG_KERNELS_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEODANG_KERNELS_ROW_INL_H_
#undef SEODANG_KERNELS_ROW_INL_H_
#else
#define SEODANG_KERNELS_ROW_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include <hwy/highway.h>

#include "tensor/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const bf16* from) {
  const hn::Rebind<uint16_t, D> half;
  const hn::RebindToUnsigned<D> whole;
  const auto bits = hn::LoadU(half, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(whole, bits)));
}

// Targets that convert f16 in hardware (F16C, AVX-512, NEON); Highway's own
// code for the others does not round to nearest even.
#if HWY_TARGET <= HWY_AVX2 || HWY_TARGET == HWY_NEON
#define SEODANG_F16_HARDWARE 1
#else
#define SEODANG_F16_HARDWARE 0
#endif

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const f16* from) {
#if SEODANG_F16_HARDWARE
  const hn::Rebind<hwy::float16_t, D> half;
  return hn::PromoteTo(
      d, hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(from)));
#else
  float numbers[hn::MaxLanes(D())];
  for (size_t i = 0; i < hn::Lanes(d); ++i)
    numbers[i] = static_cast<float>(from[i]);
  return hn::LoadU(d, numbers);
#endif
}

template <class D>
HWY_INLINE void store(D d, hn::Vec<D> value, float* to) {
  hn::StoreU(value, d, to);
}

// To nearest even, as bf16(float) rounds.
template <class D>
HWY_INLINE void store(D, hn::Vec<D> value, bf16* to) {
  const hn::Rebind<uint16_t, D> half;
  const hn::RebindToUnsigned<D> whole;
  const auto bits = hn::BitCast(whole, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(whole, 1u));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(whole, 0x7fffu)));
  const auto quiet = hn::Or(bits, hn::Set(whole, 0x400000u));
  const auto is_nan = hn::RebindMask(whole, hn::IsNaN(value));
  const auto chosen = hn::IfThenElse(is_nan, quiet, rounded);
  hn::StoreU(hn::TruncateTo(half, hn::ShiftRight<16>(chosen)), half,
             reinterpret_cast<uint16_t*>(to));
}

template <class D>
HWY_INLINE void store([[maybe_unused]] D d, hn::Vec<D> value, f16* to) {
#if SEODANG_F16_HARDWARE
  const hn::Rebind<hwy::float16_t, D> half;
  hn::StoreU(hn::DemoteTo(half, value), half,
             reinterpret_cast<hwy::float16_t*>(to));
#else
  float numbers[hn::MaxLanes(D())];
  hn::StoreU(value, d, numbers);
  for (size_t i = 0; i < hn::Lanes(d); ++i) to[i] = f16(numbers[i]);
#endif
}
#undef SEODANG_F16_HARDWARE

// body(d, i) for every i in [0, n): whole vectors first, then one by one.
template <class Body>
HWY_INLINE void for_each(int64_t n, Body&& body) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(d, i);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) body(one, i);
}

// Σ term(d, i): always in the same order.
template <class Term>
HWY_INLINE float sum_of(int64_t n, Term&& term) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = hn::Add(a, term(d, i));
    b = hn::Add(b, term(d, i + lanes));
  }
  for (; i + lanes <= n; i += lanes) a = hn::Add(a, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) sum += hn::GetLane(term(one, i));
  return sum;
}

template <class T>
HWY_INLINE float max_of(int64_t n, const T* x) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto most = hn::Set(d, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) most = hn::Max(most, load(d, x + i));
  float result = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; i < n; ++i) result = std::max(result, static_cast<float>(x[i]));
  return result;
}

// Calls body(T*) with a null pointer of the number type of an activation, which
// is f32 or bf16.
template <class Body>
HWY_INLINE void with_type(Dtype dtype, Body&& body) {
  if (dtype == Dtype::f32)
    body(static_cast<float*>(nullptr));
  else
    body(static_cast<bf16*>(nullptr));
}

// The same of a stored tensor, which may be f16 too.
template <class Body>
HWY_INLINE void with_stored_type(Dtype dtype, Body&& body) {
  if (dtype == Dtype::f16)
    body(static_cast<f16*>(nullptr));
  else
    with_type(dtype, std::forward<Body>(body));
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#endif
