// Each kernel's forward against float64, its backward against central
// differences of that float64 forward: d/dx Σ forward(x)·g = backward(g).
#include <complex>
#include <numbers>

#include "base/threads.h"
#include "kernels/adamw.h"
#include "kernels/bias.h"
#include "kernels/check.h"
#include "kernels/convert.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/embedding.h"
#include "kernels/glu.h"
#include "kernels/matmul.h"
#include "kernels/min_hash.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/softcap.h"

namespace seodang {
namespace {

class RowKernels : public testing::TestWithParam<Dtype> {
 protected:
  Dtype dtype = GetParam();
  double tolerance = tolerance_of(dtype);
};

Values norm_reference(const Values& x, const Values& w, double eps) {
  const size_t width = w.size();
  Values y(x.size());
  for (size_t r = 0; r * width < x.size(); ++r) {
    double square = 0;
    for (size_t c = 0; c < width; ++c)
      square += x[r * width + c] * x[r * width + c];
    const double scale =
        1 / std::sqrt(square / static_cast<double>(width) + eps);
    for (size_t c = 0; c < width; ++c)
      y[r * width + c] = x[r * width + c] * scale * w[c];
  }
  return y;
}

TEST_P(RowKernels, Rmsnorm) {
  constexpr double kEps = 1e-2;
  for (const int64_t width : {1, 7, 16, 45}) {
    const int64_t rows = 21;
    const OwnedTensor x = random_tensor(Dtype::f32, rows, width, 1);
    const OwnedTensor w = random_tensor(dtype, 1, width, 2);
    const OwnedTensor g = random_tensor(dtype, rows, width, 3);
    const OwnedTensor y(dtype, rows, width);
    std::vector<float> rstd(rows);
    rmsnorm_forward(y, rstd.data(), x, w, {kEps});
    const Values xv = values_of(x), wv = values_of(w), gv = values_of(g);
    expect_near(y, norm_reference(xv, wv, kEps), tolerance, "rmsnorm");

    const OwnedTensor dx = random_tensor(Dtype::f32, rows, width, 4);
    const OwnedTensor dw = random_tensor(Dtype::f32, 1, width, 5);
    Values ex = values_of(dx), ew = values_of(dw);
    rmsnorm_backward(dx, dw, g, x, w, rstd.data(), {kEps}, true);
    const Values fx = differences(xv, [&](const Values& v) {
      return dot(norm_reference(v, wv, kEps), gv);
    });
    const Values fw = differences(wv, [&](const Values& v) {
      return dot(norm_reference(xv, v, kEps), gv);
    });
    for (size_t i = 0; i < ex.size(); ++i) ex[i] += fx[i];  // it adds
    for (size_t i = 0; i < ew.size(); ++i) ew[i] += fw[i];
    expect_near(dx, ex, 1e-4, "dx");
    expect_near(dw, ew, 1e-4, "dweight");
  }
}

// Gemma's norms, heads side by side, in place, and added to what is there.
TEST_P(RowKernels, RmsnormOfGroups) {
  constexpr RmsNorm kNorm{1e-2f, 1};
  const int64_t rows = 18, groups = 3, width = 24;
  const OwnedTensor x = random_tensor(dtype, rows, groups * width, 1);
  const OwnedTensor w = random_tensor(dtype, 1, width, 2);
  const OwnedTensor g = random_tensor(dtype, rows, groups * width, 3);
  const OwnedTensor y = random_tensor(Dtype::f32, rows, groups * width, 4);
  std::vector<float> rstd(rows * groups), again(rows * groups);
  const Values xv = values_of(x), wv = values_of(w), gv = values_of(g);
  const auto reference = [&](const Values& v, Values weight) {
    for (double& one : weight) one += 1;
    return norm_reference(v, weight, kNorm.eps);
  };
  Values expected = reference(xv, wv);
  Values sum = values_of(y);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += expected[i];
  rmsnorm_forward(y, rstd.data(), x, w, kNorm, true);
  expect_near(y, sum, 2e-5, "added");
  rmsnorm_forward({}, again.data(), x, w, kNorm);
  EXPECT_EQ(rstd, again);

  const OwnedTensor dw = random_tensor(Dtype::f32, 1, width, 5);
  Values ew = values_of(dw);
  rmsnorm_backward(g, dw, g, x, w, rstd.data(), kNorm);  // in place
  expect_near(
      g,
      differences(xv,
                  [&](const Values& v) { return dot(reference(v, wv), gv); }),
      2 * tolerance, "dx");
  const Values fw = differences(
      wv, [&](const Values& v) { return dot(reference(xv, v), gv); });
  for (size_t i = 0; i < ew.size(); ++i) ew[i] += fw[i];
  expect_near(dw, ew, 1e-4, "dweight");
  rmsnorm_forward(x, rstd.data(), x, w, kNorm);  // in place
  expect_near(x, expected, tolerance, "in place");
}

TEST_P(RowKernels, Bias) {
  const OwnedTensor block = random_tensor(dtype, 7, 40, 1);
  const Tensor y = block.view().cols_from(3, 21);
  const OwnedTensor bias = random_tensor(dtype, 1, 21, 2);
  const OwnedTensor dbias = random_tensor(Dtype::f32, 1, 21, 3);
  Values expected = values_of(y), sum = values_of(dbias);
  const Values b = values_of(bias);
  for (size_t i = 0; i < expected.size(); ++i) sum[i % 21] += expected[i];
  bias_backward(dbias, y);  // the transpose of repeating rows is their sum
  expect_near(dbias, sum, 1e-5, "dbias");
  for (size_t i = 0; i < expected.size(); ++i) expected[i] += b[i % 21];
  bias_forward(y, bias);
  expect_near(y, expected, tolerance, "bias");
}

TEST_P(RowKernels, Softcap) {
  constexpr float kCap = 1.5f;
  const OwnedTensor x = random_tensor(Dtype::f32, 3, 37, 1);
  const OwnedTensor g = random_tensor(dtype, 3, 37, 2);
  x.view().row<float>(0)[0] = 1e9f;
  const Values xv = values_of(x), gv = values_of(g);
  const auto reference = [&](Values v) {
    for (double& one : v) one = kCap * std::tanh(one / kCap);
    return v;
  };
  softcap_forward(x, kCap);
  expect_near(x, reference(xv), 2e-6, "softcap");
  softcap_backward(g, x, kCap);
  expect_near(
      g,
      differences(xv, [&](const Values& v) { return dot(reference(v), gv); }),
      tolerance, "dx");
}

Values geglu_reference(const Values& gate_up, size_t width) {
  Values y(gate_up.size() / 2);
  for (size_t i = 0; i < y.size(); ++i) {
    const double* row = &gate_up[i / width * 2 * width];
    const double z = row[i % width];
    y[i] = z / 2 *
           (1 + std::tanh(std::sqrt(2 / std::numbers::pi) *
                          (z + 0.044715 * z * z * z))) *
           row[width + i % width];
  }
  return y;
}

TEST_P(RowKernels, Geglu) {
  for (const int64_t width : {3, 37}) {
    const OwnedTensor x = random_tensor(dtype, 9, 2 * width, 1);
    const OwnedTensor g = random_tensor(dtype, 9, width, 2);
    const OwnedTensor y(dtype, 9, width), dx(dtype, 9, 2 * width);
    set_value(x, 0, 0, -40);
    set_value(x, 1, 0, 40);
    glu_forward(y, x, Activation::gelu_tanh);
    const Values xv = values_of(x), gv = values_of(g);
    expect_near(y, geglu_reference(xv, width), tolerance, "geglu");
    glu_backward(dx, g, x, Activation::gelu_tanh);
    expect_near(dx,
                differences(xv,
                            [&](const Values& v) {
                              return dot(geglu_reference(v, width), gv);
                            }),
                2 * tolerance, "dgate_up");
  }
}

Values swiglu_reference(const Values& gate_up, size_t width) {
  Values y(gate_up.size() / 2);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t row = i / width, c = i % width;
    const double g = gate_up[row * 2 * width + c];
    y[i] = g / (1 + std::exp(-g)) * gate_up[row * 2 * width + width + c];
  }
  return y;
}

TEST_P(RowKernels, Swiglu) {
  for (const int64_t width : {3, 16, 37}) {
    const OwnedTensor x = random_tensor(dtype, 9, 2 * width, 1);
    const OwnedTensor g = random_tensor(dtype, 9, width, 2);
    const OwnedTensor y(dtype, 9, width), dx(dtype, 9, 2 * width);
    glu_forward(y, x, Activation::silu);
    const Values xv = values_of(x), gv = values_of(g);
    expect_near(y, swiglu_reference(xv, width), tolerance, "swiglu");
    glu_backward(dx, g, x, Activation::silu);
    const Values expected = differences(xv, [&](const Values& v) {
      return dot(swiglu_reference(v, width), gv);
    });
    expect_near(dx, expected, 2 * tolerance, "dgate_up");
    glu_backward(x, g, x, Activation::silu);  // in place
    EXPECT_EQ(bytes_of(x), bytes_of(dx));
  }
}

TEST(Swiglu, LargeGatesStayFinite) {
  const OwnedTensor x(Dtype::f32, 1, 4), y(Dtype::f32, 1, 2);
  float* v = x.view().row<float>(0);
  v[0] = -300;
  v[1] = 300;
  v[2] = v[3] = 1;
  glu_forward(y, x, Activation::silu);
  EXPECT_NEAR(y.view().row<float>(0)[0], 0, 1e-6);
  EXPECT_FLOAT_EQ(y.view().row<float>(0)[1], 300);
}

TEST_P(RowKernels, RopeTurnsComplexNumbers) {
  const int64_t half = 12, heads = 3;
  std::vector<double> frequency;
  for (int64_t i = 0; i < half; ++i)
    frequency.push_back(std::pow(10000.0, -static_cast<double>(i) / half));
  const RopeTable table(frequency, 100);
  const OwnedTensor x = random_tensor(dtype, 5, heads * 2 * half, 1);
  const Values before = values_of(x);
  const std::vector<int32_t> positions = {0, 1, 2, 50, 99};
  rope_forward(x, positions.data(), table);
  Values expected = before;
  for (size_t r = 0; r < 5; ++r)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        const size_t a = r * heads * 2 * half + h * 2 * half + i, b = a + half;
        const auto turned = std::complex(before[a], before[b]) *
                            std::polar(1.0, positions[r] * frequency[i]);
        expected[a] = turned.real();
        expected[b] = turned.imag();
      }
  expect_near(x, expected, tolerance, "rope");
  // A rotation is linear and orthogonal: its transpose, the backward, undoes
  // it.
  rope_backward(x, positions.data(), table);
  expect_near(x, before, 2 * tolerance, "rope and back");
}

double cross_entropy_reference(const Values& z, int64_t vocab,
                               const std::vector<int32_t>& targets,
                               const Values& weights) {
  double sum = 0;
  for (size_t r = 0; r < targets.size(); ++r) {
    if (targets[r] < 0) continue;
    double total = 0;
    for (int64_t v = 0; v < vocab; ++v) total += std::exp(z[r * vocab + v]);
    sum += weights[r] * (std::log(total) - z[r * vocab + targets[r]]);
  }
  return sum;
}

TEST_P(RowKernels, CrossEntropy) {
  for (const int64_t vocab : {5, 16, 51}) {
    const OwnedTensor z = random_tensor(Dtype::f32, 4, vocab, 1);
    const std::vector<int32_t> targets = {0, -100, 4, 2};
    const Values weights = {0.5, 7, -0.25, 2};
    const std::vector<float> row_weights(weights.begin(), weights.end());
    const OwnedTensor dz(dtype, 4, vocab);
    float losses[4], again[4];
    cross_entropy_forward(losses, z, targets.data());
    cross_entropy_forward_backward(again, dz, z, targets.data(),
                                   row_weights.data());
    const Values zv = values_of(z);
    double sum = 0;
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(losses[i], again[i]);
      sum += losses[i];
    }
    EXPECT_EQ(losses[1], 0);
    const Values ones(4, 1.0);
    EXPECT_NEAR(sum, cross_entropy_reference(zv, vocab, targets, ones), 1e-5);
    expect_near(dz,
                differences(zv,
                            [&](const Values& v) {
                              return cross_entropy_reference(v, vocab, targets,
                                                             weights);
                            }),
                tolerance, "dlogits");
  }
}

double divergence_reference(const Values& z, const Values& teacher,
                            int64_t vocab) {
  const auto log_sum = [&](const Values& of, int64_t row) {
    double total = 0;
    for (int64_t v = 0; v < vocab; ++v)
      total += std::exp(of[static_cast<size_t>(row * vocab + v)]);
    return std::log(total);
  };
  double sum = 0;
  for (int64_t r = 0; r < static_cast<int64_t>(z.size()) / vocab; ++r)
    for (int64_t v = 0; v < vocab; ++v) {
      const auto at = static_cast<size_t>(r * vocab + v);
      const double log_p = z[at] - log_sum(z, r);
      const double log_teacher = teacher[at] - log_sum(teacher, r);
      sum += std::exp(log_teacher) * (log_teacher - log_p);
    }
  return sum;
}

TEST_P(RowKernels, Distillation) {
  for (const int64_t vocab : {5, 16, 51}) {
    const OwnedTensor z = random_tensor(Dtype::f32, 3, vocab, 1);
    const OwnedTensor teacher = random_tensor(Dtype::f32, 3, vocab, 2);
    const OwnedTensor dz(dtype, 3, vocab);
    float divergences[3];
    distillation_forward_backward(divergences, dz, z, teacher, 0.5f);
    const Values tv = values_of(teacher);
    EXPECT_NEAR(divergences[0] + divergences[1] + divergences[2],
                divergence_reference(values_of(z), tv, vocab), 1e-5);
    expect_near(dz,
                differences(values_of(z),
                            [&](const Values& v) {
                              return 0.5 * divergence_reference(v, tv, vocab);
                            }),
                tolerance, "dlogits");
    distillation_forward_backward(divergences, dz, teacher, teacher, 0.5f);
    for (const float divergence : divergences) EXPECT_NEAR(divergence, 0, 1e-6);
  }
}

// About so many are dropped, the rest is scaled; the same key drops the same,
// whatever the dtype, and another key others.
TEST_P(RowKernels, Dropout) {
  constexpr float kShare = 0.25f;
  constexpr int64_t kRows = 40, kCols = 101;
  const OwnedTensor x(dtype, kRows, kCols), out(dtype, kRows, kCols),
      other(Dtype::f32, kRows, kCols), ones(Dtype::f32, kRows, kCols);
  for (int64_t r = 0; r < kRows; ++r)
    std::fill_n(ones.view().row<float>(r), kCols, 3.0f);
  convert(x, ones);
  dropout(out, x, kShare, 5, 0);
  const Values first = values_of(out);
  int64_t kept = 0;
  for (const double value : first) {
    EXPECT_TRUE(value == 0 || std::abs(value - 4) < 0.02) << value;
    kept += value != 0;
  }
  EXPECT_NEAR(static_cast<double>(kept) / (kRows * kCols), 1 - kShare, 0.03);
  dropout(other, x, kShare, 5, 0);
  dropout(other, x, kShare, 5, 0, true);
  const Values twice = values_of(other);
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_NEAR(twice[i], 2 * first[i], 0.02);
  dropout(other, x, kShare, 6, 0);
  EXPECT_NE(values_of(other), first);
  dropout(other, x, 0, 6, 0);
  EXPECT_EQ(values_of(other), values_of(ones));
}

TEST(CrossEntropy, HugeLogitsAreFineAndNanIsSeen) {
  const OwnedTensor z(Dtype::f32, 1, 33), dz(Dtype::f32, 1, 33);
  float* v = z.view().row<float>(0);
  v[3] = 3e4f;
  const int32_t target = 3;
  float loss = -1;
  const float weight = 1;
  cross_entropy_forward_backward(&loss, dz, z, &target, &weight);
  EXPECT_EQ(loss, 0);
  v[7] = std::nanf("");
  cross_entropy_forward_backward(&loss, dz, z, &target, &weight);
  EXPECT_TRUE(std::isnan(loss));
  v[7] = std::numeric_limits<float>::infinity();
  cross_entropy_forward(&loss, z, &target);
  EXPECT_TRUE(std::isnan(loss));
}

TEST_P(RowKernels, Embedding) {
  const OwnedTensor table = random_tensor(dtype, 6, 19, 1);
  const std::vector<int32_t> tokens = {5, 0, 5, 2};
  const OwnedTensor out(Dtype::f32, 4, 19);
  embedding_forward(out, tokens.data(), table);
  for (int64_t r = 0; r < 4; ++r)
    for (int64_t c = 0; c < 19; ++c)
      EXPECT_EQ(value_at(out, r, c), value_at(table, tokens[r], c));
  embedding_forward(out, tokens.data(), table, 5.5f);
  EXPECT_FLOAT_EQ(static_cast<float>(value_at(out, 1, 3)),
                  static_cast<float>(5.5 * value_at(table, 0, 3)));
  // The lookup is linear in the table: its gradient counts.
  const OwnedTensor g = random_tensor(Dtype::f32, 4, 19, 2);
  const OwnedTensor dtable = random_tensor(Dtype::f32, 6, 19, 3);
  Values expected = values_of(dtable);
  for (int64_t r = 0; r < 4; ++r)
    for (int64_t c = 0; c < 19; ++c)
      expected[tokens[r] * 19 + c] += 5.5 * value_at(g, r, c);
  embedding_backward(dtable, tokens.data(), g, 5.5f);
  expect_near(dtable, expected, 1e-6, "dtable");
}

TEST_P(RowKernels, LinearAndItsTwoBackwardProducts) {
  const int64_t n = 5, in = 24, out = 17;
  const OwnedTensor x = random_tensor(dtype, n, in, 1);
  const OwnedTensor w = random_tensor(dtype, out, in, 2);
  const OwnedTensor g = random_tensor(dtype, n, out, 3);
  const Values xv = values_of(x), wv = values_of(w), gv = values_of(g);
  const auto reference = [&](const Values& a, const Values& b) {
    Values y(n * out);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t o = 0; o < out; ++o)
        for (int64_t k = 0; k < in; ++k)
          y[i * out + o] += a[i * in + k] * b[o * in + k];
    return y;
  };
  const OwnedTensor y = random_tensor(Dtype::f32, n, out, 4);
  Values expected = reference(xv, wv), sum = values_of(y);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += expected[i];
  linear_forward(y, x, w, true);
  expect_near(y, sum, 1e-4, "y +=");
  linear_forward(y, x, w);
  expect_near(y, expected, 1e-4, "y");

  const OwnedTensor dx(Dtype::f32, n, in);
  linear_backward_input(dx, g, w);
  expect_near(
      dx,
      differences(xv,
                  [&](const Values& v) { return dot(reference(v, wv), gv); }),
      1e-4, "dx");
  const OwnedTensor dw = random_tensor(Dtype::f32, out, in, 5);
  Values added = values_of(dw);
  const Values slope = differences(
      wv, [&](const Values& v) { return dot(reference(xv, v), gv); });
  for (size_t i = 0; i < added.size(); ++i) added[i] += slope[i];
  linear_backward_weight(dw, g, x);
  expect_near(dw, added, 1e-4, "dw +=");
}

TEST(Convert, RoundsToNearestEven) {
  const int64_t n = 1 << 16;
  const OwnedTensor f32(Dtype::f32, 1, n), b(Dtype::bf16, 1, n);
  Rng rng(1);
  float* x = f32.view().row<float>(0);
  for (int64_t i = 0; i < n; ++i)
    x[i] = std::bit_cast<float>(static_cast<uint32_t>(rng.next()));
  x[0] = 1.00390625f;  // half way between two bf16 numbers: to the even one
  x[1] = std::nanf("");
  x[2] = std::numeric_limits<float>::infinity();
  convert(b, f32);
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(b.view().row<bf16>(0)[i].bits, bf16(x[i]).bits) << i;
  EXPECT_EQ(static_cast<float>(b.view().row<bf16>(0)[0]), 1.0f);
}

TEST(Convert, ReadsHalves) {
  const OwnedTensor half(Dtype::f16, 1, 6), out(Dtype::f32, 1, 6);
  uint16_t* bits = half.view().row<uint16_t>(0);
  const uint16_t given[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x3555};
  std::copy(given, given + 6, bits);
  convert(out, half);
  const float* v = out.view().row<float>(0);
  EXPECT_EQ(v[0], 1);
  EXPECT_EQ(v[1], -2);
  EXPECT_EQ(v[2], std::ldexp(1.0f, -24));
  EXPECT_EQ(v[3], 65504);
  EXPECT_TRUE(std::isinf(v[4]));
  EXPECT_NEAR(v[5], 1.0 / 3, 1e-4);
}

// Every f16 there is, and floats of all sizes, against the one-number
// conversions of tensor.h, which tests/tensor checks.
TEST(Convert, HalvesOnEveryTarget) {
  for_every_target([] {
    const int64_t n = 1 << 16;
    const OwnedTensor half(Dtype::f16, 1, n), wide(Dtype::f32, 1, n),
        again(Dtype::f16, 1, n), b(Dtype::bf16, 1, n);
    for (int64_t i = 0; i < n; ++i)
      half.view().row<uint16_t>(0)[i] = static_cast<uint16_t>(i);
    convert(wide, half);
    convert(again, wide);
    convert(b, half);
    for (int64_t i = 0; i < n; ++i) {
      const auto expected = static_cast<float>(half.view().row<f16>(0)[i]);
      const float got = wide.view().row<float>(0)[i];
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(got)) << i;
        continue;
      }
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(expected))
          << i;
      ASSERT_EQ(again.view().row<f16>(0)[i].bits, i);
      ASSERT_EQ(b.view().row<bf16>(0)[i].bits, bf16(expected).bits) << i;
    }
    Rng rng(1);
    float* x = wide.view().row<float>(0);
    for (int64_t i = 0; i < n; ++i)
      x[i] = static_cast<float>(std::ldexp(rng.normal(), i % 48 - 30));
    x[0] = 1 + 0x1p-11f;  // half way: to the even one below
    x[1] = 1 + 0x3p-11f;  // and above
    x[2] = 0x1p-25f;      // half of the smallest
    x[3] = 65520;         // rounds to infinity
    convert(half, wide);
    for (int64_t i = 0; i < n; ++i)
      ASSERT_EQ(half.view().row<f16>(0)[i].bits, f16(x[i]).bits) << x[i];
  });
}

TEST(Adamw, FiveStepsAsThePaperWritesThem) {
  for (const int64_t n : {1, 31, 40000}) {
    OwnedTensor w = random_tensor(Dtype::f32, 1, n, 1);
    const OwnedTensor copy(Dtype::bf16, 1, n), m(Dtype::f32, 1, n),
        v(Dtype::f32, 1, n);
    Values we = values_of(w), me(n), ve(n);
    AdamW o;
    o.learning_rate = 0.02f;
    o.weight_decay = 0.3f;
    o.grad_scale = 0.5f;
    for (int step = 1; step <= 5; ++step) {
      const OwnedTensor g = random_tensor(Dtype::f32, 1, n, 10 + step);
      const Values gv = values_of(g);
      adamw_step(w.view().row<float>(0), copy.view().row<bf16>(0),
                 m.view().row<float>(0), v.view().row<float>(0),
                 g.view().row<float>(0), n, step, o);
      for (int64_t i = 0; i < n; ++i) {
        const double gi = 0.5 * gv[i];
        me[i] = 0.9 * me[i] + 0.1 * gi;
        ve[i] = 0.95 * ve[i] + 0.05 * gi * gi;
        const double mh = me[i] / (1 - std::pow(0.9, step));
        const double vh = ve[i] / (1 - std::pow(0.95, step));
        we[i] -= 0.02 * (mh / (std::sqrt(vh) + 1e-8) + 0.3 * we[i]);
      }
      for (const double left : values_of(g)) ASSERT_EQ(left, 0);
    }
    expect_near(w, we, 2e-5, "weight");
    expect_near(copy, we, 1.0 / 128, "bf16 copy");
  }
}

TEST(SumOfSquares, MatchesFloat64) {
  const OwnedTensor x = random_tensor(Dtype::f32, 1, 100003, 1);
  const Values v = values_of(x);
  EXPECT_NEAR(sum_of_squares(x.view().row<float>(0), 100003) / dot(v, v), 1,
              1e-6);
}

TEST_P(RowKernels, DoNotDependOnThreads) {
  const OwnedTensor x = random_tensor(Dtype::f32, 67, 40, 1);
  const OwnedTensor w = random_tensor(dtype, 1, 40, 2);
  const OwnedTensor g = random_tensor(dtype, 67, 40, 3);
  std::string results[2];
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    const OwnedTensor y(dtype, 67, 40), dx(Dtype::f32, 67, 40),
        dw(Dtype::f32, 1, 40);
    std::vector<float> rstd(67);
    rmsnorm_forward(y, rstd.data(), x, w, {1e-5f});
    rmsnorm_backward(dx, dw, g, x, w, rstd.data(), {1e-5f}, true);
    const double square = sum_of_squares(dx.view().row<float>(0), 67 * 40);
    results[threads - 1] =
        bytes_of(y) + bytes_of(dx) + bytes_of(dw) +
        std::string(reinterpret_cast<const char*>(&square), 8);
  }
  set_num_threads(0);
  EXPECT_EQ(results[0], results[1]);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, RowKernels,
                         testing::Values(Dtype::f32, Dtype::bf16),
                         [](const auto& dtype) {
                           return std::string(name_of(dtype.param));
                         });

// For sets and numbers of functions of any size.
TEST(MinHashes, AreLeastOnEveryTarget) {
  for_every_target([] {
    Rng rng(9);
    for (const size_t functions : {1, 5, 16, 128})
      for (const size_t count : {0, 1, 7, 200}) {
        std::vector<uint32_t> seeds(functions), set(count), least(functions);
        for (uint32_t& seed : seeds) seed = static_cast<uint32_t>(rng.next());
        for (uint32_t& x : set) x = static_cast<uint32_t>(rng.next());
        min_hashes(least, seeds, set);
        for (size_t i = 0; i < functions; ++i) {
          uint32_t expected = 0xffffffff;
          for (const uint32_t x : set) {
            uint32_t hash = x ^ seeds[i];
            hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
            hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
            expected = std::min(expected, hash ^ (hash >> 16));
          }
          ASSERT_EQ(least[i], expected) << functions << " " << count;
        }
      }
  });
}

}  // namespace
}  // namespace seodang
