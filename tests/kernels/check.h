// Float64 values behind a tensor of any dtype, and central differences.
#pragma once

#include <gtest/gtest.h>

#include <hwy/highway.h>
#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "tensor/tensor.h"

namespace seodang {

using Values = std::vector<double>;

inline double value_at(Tensor t, int64_t r, int64_t c) {
  if (t.dtype == Dtype::f32) return double{t.row<float>(r)[c]};
  if (t.dtype == Dtype::f16)
    return double{static_cast<float>(t.row<f16>(r)[c])};
  return double{static_cast<float>(t.row<bf16>(r)[c])};
}

inline void set_value(Tensor t, int64_t r, int64_t c, double value) {
  if (t.dtype == Dtype::f32)
    t.row<float>(r)[c] = static_cast<float>(value);
  else if (t.dtype == Dtype::f16)
    t.row<f16>(r)[c] = f16(static_cast<float>(value));
  else
    t.row<bf16>(r)[c] = bf16(static_cast<float>(value));
}

// Random numbers, and what was kept of them after rounding to the dtype.
inline OwnedTensor random_tensor(Dtype dtype, int64_t rows, int64_t cols,
                                 uint64_t seed) {
  OwnedTensor out(dtype, rows, cols);
  Rng rng(seed);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) set_value(out, r, c, rng.normal());
  return out;
}

inline Values values_of(Tensor t) {
  Values out;
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t c = 0; c < t.cols; ++c) out.push_back(value_at(t, r, c));
  return out;
}

// bf16 keeps 8 bits; a result is rounded once.
inline double tolerance_of(Dtype dtype) {
  return dtype == Dtype::f32 ? 2e-5 : 1.0 / 128;
}

inline void expect_near(Tensor got, const Values& expected, double tolerance,
                        const char* what) {
  ASSERT_EQ(static_cast<size_t>(got.size()), expected.size());
  size_t i = 0;
  for (int64_t r = 0; r < got.rows; ++r)
    for (int64_t c = 0; c < got.cols; ++c, ++i)
      ASSERT_NEAR(value_at(got, r, c), expected[i],
                  tolerance * (1 + std::abs(expected[i])))
          << what << " [" << r << ", " << c << "]";
}

// (f(x+h) − f(x−h)) / 2h for every x, in float64.
inline Values differences(Values x,
                          const std::function<double(const Values&)>& f) {
  constexpr double kStep = 1e-5;
  Values out;
  for (double& xi : x) {
    const double value = xi;
    xi = value + kStep;
    const double above = f(x);
    xi = value - kStep;
    const double below = f(x);
    xi = value;
    out.push_back((above - below) / (2 * kStep));
  }
  return out;
}

inline double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Calls check() once for every target of Highway that this processor has, since
// it has all the instructions of the lesser ones.
template <class Check>
void for_every_target(Check&& check) {
  std::vector<int64_t> targets = {HWY_SCALAR};
  for (const int64_t target : {HWY_NEON, HWY_AVX2, HWY_AVX3, HWY_AVX3_DL})
    if ((hwy::SupportedTargets() & target) != 0) targets.push_back(target);
  for (const int64_t target : targets) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::GetChosenTarget().Update(target);
    check();
  }
  hwy::GetChosenTarget().DeInit();
}

inline std::string bytes_of(Tensor t) {
  std::string out;
  for (int64_t r = 0; r < t.rows; ++r)
    out.append(reinterpret_cast<const char*>(t.rows_from(r, 1).data),
               static_cast<size_t>(t.cols) * size_of(t.dtype));
  return out;
}

}  // namespace seodang
