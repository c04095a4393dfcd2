// Products of any dtypes against float64, on the numbers that the operands
// really hold.
#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/check.h"
#include "kernels/matvec.h"

namespace seodang {
namespace {

// Half a unit in the last place of what y is rounded to, and f32's sums.
double tolerance_of(Dtype y, double magnitude) {
  return magnitude * (y == Dtype::bf16 ? 1.0 / 256 : 1e-5);
}

// a (M,K) · b (K,N), plus what was there, with Σ|a·b| beside it.
struct Product {
  Values sums, magnitudes;
};

Product multiply(const Values& a, const Values& b, const Values& before,
                 int64_t m, int64_t k, int64_t n) {
  Product out{before, Values(before.size())};
  for (int64_t r = 0; r < m; ++r)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t c = 0; c < n; ++c) {
        const auto at = static_cast<size_t>(r * n + c);
        const double term = a[static_cast<size_t>(r * k + i)] *
                            b[static_cast<size_t>(i * n + c)];
        out.sums[at] += term;
        out.magnitudes[at] += std::abs(term);
      }
  for (size_t i = 0; i < before.size(); ++i)
    out.magnitudes[i] += std::abs(before[i]) + 1e-3;
  return out;
}

Values transposed(const Values& v, int64_t rows, int64_t cols) {
  Values out(v.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      out[static_cast<size_t>(c * rows + r)] =
          v[static_cast<size_t>(r * cols + c)];
  return out;
}

void expect_product(Tensor got, const Product& expected) {
  const Values values = values_of(got);
  ASSERT_EQ(values.size(), expected.sums.size());
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_NEAR(values[i], expected.sums[i],
                tolerance_of(got.dtype, expected.magnitudes[i]))
        << i;
}

// What an operand is worth where products round it: bf16 activations make a
// product of bf16, which f32 and f16 weights are rounded to.
Values worth(Tensor w, Dtype act, bool few) {
  Values out = values_of(w);
  if (!few && act == Dtype::bf16 && fastest_product_dtype() == Dtype::bf16)
    for (double& value : out)
      value = static_cast<float>(bf16(static_cast<float>(value)));
  return out;
}

class Linear : public testing::TestWithParam<std::tuple<Dtype, Dtype, Dtype>> {
 protected:
  const Dtype act = std::get<0>(GetParam()), weight = std::get<1>(GetParam()),
              result = std::get<2>(GetParam());
};

TEST_P(Linear, Forward) {
  const int64_t in = 75, out = 1100;  // neither a vector nor a tile ends even
  const OwnedTensor w = random_tensor(weight, out, in, 2);
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{5}, kMatvecRows,
                          kMatvecRows + 1, int64_t{40}}) {
    SCOPED_TRACE(n);
    const OwnedTensor x = random_tensor(act, n, in, 1);
    const OwnedTensor y = random_tensor(result, n, out, 3);
    const bool few = is_16_bit(weight) && n <= kMatvecRows;
    const Values b = transposed(worth(w, act, few), out, in);
    const Product sum = multiply(values_of(x), b, values_of(y), n, in, out);
    linear_forward(y, x, w, true);
    expect_product(y, sum);
    linear_forward(y, x, w);
    expect_product(
        y, multiply(values_of(x), b, Values(static_cast<size_t>(n * out)), n,
                    in, out));
  }
}

TEST_P(Linear, BackwardInput) {
  const int64_t n = 33, in = 600, out = 45;
  const OwnedTensor dy = random_tensor(act, n, out, 1);
  const OwnedTensor w = random_tensor(weight, out, in, 2);
  const OwnedTensor dx = random_tensor(result, n, in, 3);
  const Values ws = worth(w, act, false);
  const Product sum = multiply(values_of(dy), ws, values_of(dx), n, out, in);
  linear_backward_input(dx, dy, w, true);
  expect_product(dx, sum);
  linear_backward_input(dx, dy, w);
  expect_product(dx, multiply(values_of(dy), ws,
                              Values(static_cast<size_t>(n * in)), n, out, in));
}

INSTANTIATE_TEST_SUITE_P(
    Dtypes, Linear,
    testing::Combine(testing::Values(Dtype::f32, Dtype::bf16),
                     testing::Values(Dtype::f32, Dtype::bf16, Dtype::f16),
                     testing::Values(Dtype::f32, Dtype::bf16)),
    [](const auto& dtypes) {
      return fmt::format("{}_{}_{}", name_of(std::get<0>(dtypes.param)),
                         name_of(std::get<1>(dtypes.param)),
                         name_of(std::get<2>(dtypes.param)));
    });

TEST(Linear, BackwardWeight) {
  const int64_t n = 1200, in = 70, out = 37;
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    const OwnedTensor x = random_tensor(dtype, n, in, 1);
    const OwnedTensor dy = random_tensor(dtype, n, out, 2);
    const OwnedTensor dw = random_tensor(Dtype::f32, out, in, 3);
    const Product sum = multiply(transposed(values_of(dy), n, out),
                                 values_of(x), values_of(dw), out, n, in);
    linear_backward_weight(dw, dy, x);
    expect_product(dw, sum);
  }
}

// Tiles of a matrix that is wider than one, and views with a stride.
TEST(Linear, SeveralTilesOfViews) {
  const int64_t n = 12, in = 4000, out = 300;
  const OwnedTensor x = random_tensor(Dtype::f32, n, in + 8, 1);
  const OwnedTensor w = random_tensor(Dtype::f16, out, in + 16, 2);
  const OwnedTensor y(Dtype::f32, n, out + 4);
  const Tensor xv = x.view().cols_from(4, in), wv = w.view().cols_from(8, in),
               yv = y.view().cols_from(2, out);
  linear_forward(yv, xv, wv);
  expect_product(yv,
                 multiply(values_of(xv), transposed(values_of(wv), out, in),
                          Values(static_cast<size_t>(n * out)), n, in, out));
  for (int64_t r = 0; r < n; ++r) {
    EXPECT_EQ(value_at(y, r, 1), 0);
    EXPECT_EQ(value_at(y, r, out + 2), 0);
  }
}

TEST(Matvec, SameOnEveryTargetToRounding) {
  const int64_t n = 3, in = 203, out = 9;
  for (const Dtype weight : {Dtype::bf16, Dtype::f16}) {
    const OwnedTensor x = random_tensor(Dtype::f32, n, in, 1);
    const OwnedTensor w = random_tensor(weight, out, in, 2);
    const Product expected =
        multiply(values_of(x), transposed(values_of(w), out, in),
                 Values(static_cast<size_t>(n * out)), n, in, out);
    for_every_target([&] {
      const OwnedTensor y(Dtype::f32, n, out);
      matvec(y, x, w);
      expect_product(y, expected);
    });
  }
}

// A token's logits do not depend on who is asked beside it.
TEST(Matvec, DependsNeitherOnThreadsNorOnOtherRows) {
  const OwnedTensor x = random_tensor(Dtype::bf16, 5, 203, 1);
  const OwnedTensor w = random_tensor(Dtype::bf16, 33, 203, 2);
  const OwnedTensor all(Dtype::f32, 5, 33), one(Dtype::f32, 1, 33);
  set_num_threads(2);
  linear_forward(all, x, w);
  set_num_threads(1);
  for (int64_t r = 0; r < 5; ++r) {
    linear_forward(one, x.view().rows_from(r, 1), w);
    EXPECT_EQ(bytes_of(one), bytes_of(all.view().rows_from(r, 1))) << r;
  }
  set_num_threads(0);
}

TEST(Linear, AProductThatCannotBeSaysWhichOne) {
  const OwnedTensor x(Dtype::f32, 40, 8), w(Dtype::f32, 3, 9),
      y(Dtype::f32, 40, 3);
  try {
    linear_forward(y, x, w);
    FAIL() << "8 and 9 columns were multiplied";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("40 × 8 float32 and 9 × 3 float32"), what.npos) << what;
  }
}

}  // namespace
}  // namespace seodang
