#include "train/muon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace seodang {
namespace {

// Row-major, in float64: the published algorithm word for word.
struct Matrix {
  int64_t rows, cols;
  std::vector<double> at;

  Matrix(int64_t r, int64_t c) : rows(r), cols(c), at(r * c) {}
  double& operator()(int64_t r, int64_t c) { return at[r * cols + c]; }
  double operator()(int64_t r, int64_t c) const { return at[r * cols + c]; }
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out(a.rows, b.cols);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.cols; ++k)
      for (int64_t j = 0; j < b.cols; ++j) out(i, j) += a(i, k) * b(k, j);
  return out;
}

Matrix transposed(const Matrix& a) {
  Matrix out(a.cols, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j) out(j, i) = a(i, j);
  return out;
}

Matrix newton_schulz(Matrix x) {
  if (x.rows > x.cols) return transposed(newton_schulz(transposed(x)));
  double norm = 0;
  for (double value : x.at) norm += value * value;
  for (double& value : x.at) value /= std::sqrt(norm);
  for (int step = 0; step < 5; ++step) {
    const Matrix a = product(x, transposed(x)), a2 = product(a, a);
    Matrix b(a.rows, a.cols);
    for (size_t i = 0; i < b.at.size(); ++i)
      b.at[i] = -4.7750 * a.at[i] + 2.0315 * a2.at[i];
    const Matrix bx = product(b, x);
    for (size_t i = 0; i < x.at.size(); ++i)
      x.at[i] = 3.4445 * x.at[i] + bx.at[i];
  }
  return x;
}

Matrix random(int64_t rows, int64_t cols, Rng& rng) {
  Matrix out(rows, cols);
  for (double& value : out.at) value = rng.normal();
  return out;
}

OwnedTensor as_f32(const Matrix& matrix) {
  OwnedTensor out(Dtype::f32, matrix.rows, matrix.cols);
  std::transform(matrix.at.begin(), matrix.at.end(), out.view().row<float>(0),
                 [](double value) { return static_cast<float>(value); });
  return out;
}

double largest_difference(const OwnedTensor& got, const Matrix& wanted) {
  double largest = 0;
  for (size_t i = 0; i < wanted.at.size(); ++i)
    largest =
        std::max(largest, std::abs(got.view().row<float>(0)[i] - wanted.at[i]));
  return largest;
}

class MuonShapes : public testing::TestWithParam<std::pair<int64_t, int64_t>> {
};

TEST_P(MuonShapes, OrthogonalizesAsInFloat64) {
  Rng rng(3);
  const Matrix x = random(GetParam().first, GetParam().second, rng);
  const Matrix wanted = newton_schulz(x);
  const OwnedTensor f32 = as_f32(x), bf16 = as_f32(x);
  Muon(Dtype::f32).orthogonalize(f32);
  EXPECT_LT(largest_difference(f32, wanted), 2e-5);
  Muon(Dtype::bf16).orthogonalize(bf16);
  EXPECT_LT(largest_difference(bf16, wanted), 0.05);
}

// Two steps with momentum, decay and clipping.
TEST_P(MuonShapes, StepsAsInFloat64) {
  Rng rng(4);
  const auto [rows, cols] = GetParam();
  const MuonOptions options{.learning_rate = 0.02f,
                            .momentum = 0.9f,
                            .weight_decay = 0.1f,
                            .grad_scale = 0.5f};
  Matrix weight = random(rows, cols, rng), momentum(rows, cols);
  const OwnedTensor w = as_f32(weight), m = as_f32(momentum);
  OwnedTensor rounded(Dtype::bf16, rows, cols);
  Muon muon(Dtype::f32);
  for (int step = 0; step < 2; ++step) {
    const Matrix gradient = random(rows, cols, rng);
    const OwnedTensor g = as_f32(gradient);
    muon.step(w, rounded, m, g, options);
    Matrix update(rows, cols);
    for (size_t i = 0; i < update.at.size(); ++i) {
      const double fresh = 0.1 * 0.5 * gradient.at[i];
      momentum.at[i] = 0.9 * momentum.at[i] + fresh;
      update.at[i] = fresh + 0.9 * momentum.at[i];
    }
    const Matrix direction = newton_schulz(update);
    const double size =
        0.2 * std::sqrt(static_cast<double>(std::max(rows, cols)));
    for (size_t i = 0; i < weight.at.size(); ++i)
      weight.at[i] -= 0.02 * (size * direction.at[i] + 0.1 * weight.at[i]);
    EXPECT_LT(largest_difference(w, weight), 1e-5);
    EXPECT_LT(largest_difference(m, momentum), 1e-6);
    for (int64_t i = 0; i < rows * cols; ++i) {
      EXPECT_EQ(g.view().row<float>(0)[i], 0);
      EXPECT_EQ(rounded.view().row<struct bf16>(0)[i].bits,
                seodang::bf16(w.view().row<float>(0)[i]).bits);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(WideTallSquare, MuonShapes,
                         testing::Values(std::pair{24, 40}, std::pair{40, 24},
                                         std::pair{32, 32}, std::pair{1, 16}));

// A gradient of nothing moves nothing but by decay.
TEST(Muon, BearsAGradientOfZeros) {
  OwnedTensor zeros(Dtype::f32, 8, 8);
  Muon(Dtype::f32).orthogonalize(zeros);
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(zeros.view().row<float>(0)[i], 0);
}

}  // namespace
}  // namespace seodang
