#include "kernels/attention.h"

#include "base/threads.h"
#include "kernels/check.h"
#include "kernels/convert.h"
#include "kernels/quantize.h"

namespace seodang {
namespace {

struct Case {
  Dtype dtype;
  int32_t heads, kv_heads, dim;
  std::vector<int64_t> lengths;
  int32_t window = 0;
  float softcap = 0;
};

// q (N, heads·dim), k and v (N, kv_heads·dim), documents one behind another.
Values reference(const Case& c, const Values& q, const Values& k,
                 const Values& v, Values* lse = nullptr) {
  const int64_t qw = int64_t{c.heads} * c.dim, kw = int64_t{c.kv_heads} * c.dim;
  const int64_t group = c.heads / c.kv_heads;
  Values out(q.size());
  if (lse != nullptr) lse->assign(q.size() / c.dim, 0);
  int64_t begin = 0;
  for (const int64_t length : c.lengths) {
    for (int64_t h = 0; h < c.heads; ++h)
      for (int64_t i = begin; i < begin + length; ++i) {
        Values p;
        double total = 0;
        for (int64_t j = begin; j <= i; ++j) {
          double s = 0;
          for (int64_t d = 0; d < c.dim; ++d)
            s += q[i * qw + h * c.dim + d] * k[j * kw + h / group * c.dim + d];
          s /= std::sqrt(double(c.dim));
          if (c.softcap > 0) s = c.softcap * std::tanh(s / c.softcap);
          const bool seen = c.window == 0 || j > i - c.window;
          p.push_back(seen ? std::exp(s) : 0);
          total += p.back();
        }
        if (lse != nullptr) (*lse)[i * c.heads + h] = std::log(total);
        for (int64_t j = begin; j <= i; ++j)
          for (int64_t d = 0; d < c.dim; ++d)
            out[i * qw + h * c.dim + d] +=
                p[j - begin] / total * v[j * kw + h / group * c.dim + d];
      }
    begin += length;
  }
  return out;
}

// q, k and v as the columns of one block, as the decoder has them.
struct Inputs {
  explicit Inputs(const Case& c)
      : shape{c.heads, c.kv_heads, c.dim, 0, c.window, c.softcap} {
    shape.scale = 1.0f / std::sqrt(static_cast<float>(c.dim));
    for (const int64_t length : c.lengths) n += length;
    const int64_t qw = int64_t{c.heads} * c.dim,
                  kw = int64_t{c.kv_heads} * c.dim;
    qkv = random_tensor(c.dtype, n, qw + 2 * kw, 1);
    dqkv = OwnedTensor(c.dtype, n, qw + 2 * kw);
    q = qkv.view().cols_from(0, qw);
    k = qkv.view().cols_from(qw, kw);
    v = qkv.view().cols_from(qw + kw, kw);
    dq = dqkv.view().cols_from(0, qw);
    dk = dqkv.view().cols_from(qw, kw);
    dv = dqkv.view().cols_from(qw + kw, kw);
    int64_t begin = 0;
    for (const int64_t length : c.lengths) {
      spans.push_back({begin, length, k.rows_from(begin, 1).data,
                       v.rows_from(begin, 1).data, length, c.dtype, k.stride,
                       c.dim});
      begin += length;
    }
    out = OwnedTensor(c.dtype, n, qw);
    g = random_tensor(c.dtype, n, qw, 2);
    lse.resize(static_cast<size_t>(n * c.heads));
  }
  void forward() { attention_forward(out, lse.data(), q, spans, shape); }
  void backward() {
    attention_backward(dq, dk, dv, g, out, lse.data(), q, k, v, spans, shape);
  }

  AttentionShape shape;
  int64_t n = 0;
  OwnedTensor qkv, dqkv, out, g;
  Tensor q, k, v, dq, dk, dv;
  std::vector<AttentionSpan> spans;
  std::vector<float> lse;
};

class Attention : public testing::TestWithParam<Case> {};

TEST_P(Attention, ForwardMatchesFloat64) {
  Inputs in(GetParam());
  in.forward();
  Values lse;
  const Values expected = reference(GetParam(), values_of(in.q),
                                    values_of(in.k), values_of(in.v), &lse);
  expect_near(in.out, expected, tolerance_of(GetParam().dtype), "out");
  for (size_t i = 0; i < lse.size(); ++i)
    ASSERT_NEAR(in.lse[i], lse[i], 1e-4) << i;
}

// Every number where there are few; along random directions where there are
// many: (f(x+h·r) − f(x−h·r)) / 2h = dx·r.
TEST_P(Attention, BackwardMatchesDifferences) {
  const Case& c = GetParam();
  Inputs in(c);
  in.forward();
  in.backward();
  const Values inputs[] = {values_of(in.q), values_of(in.k), values_of(in.v)};
  const Values g = values_of(in.g);
  const Tensor gradients[] = {in.dq, in.dk, in.dv};
  const auto loss = [&](int which, const Values& x) {
    return dot(
        reference(c, which == 0 ? x : inputs[0], which == 1 ? x : inputs[1],
                  which == 2 ? x : inputs[2]),
        g);
  };
  // The forward's output is rounded to bf16 before the backward reads it.
  const double tolerance = c.dtype == Dtype::f32 ? 1e-4 : 3e-2;
  for (int which = 0; which < 3; ++which) {
    if (in.n <= 30) {
      expect_near(gradients[which],
                  differences(inputs[which],
                              [&](const Values& x) { return loss(which, x); }),
                  tolerance,
                  which == 0   ? "dq"
                  : which == 1 ? "dk"
                               : "dv");
      continue;
    }
    const Values gradient = values_of(gradients[which]);
    Rng rng(7);
    for (int direction = 0; direction < 3; ++direction) {
      constexpr double kStep = 1e-5;
      Values r, above = inputs[which], below = above;
      for (size_t i = 0; i < above.size(); ++i) {
        r.push_back(rng.normal());
        above[i] += kStep * r[i];
        below[i] -= kStep * r[i];
      }
      const double expected =
          (loss(which, above) - loss(which, below)) / (2 * kStep);
      const double size = std::sqrt(dot(gradient, gradient) * dot(r, r));
      EXPECT_NEAR(dot(gradient, r), expected, tolerance * (1 + 0.05 * size));
    }
  }
}

TEST_P(Attention, DoesNotDependOnThreads) {
  std::string results[2];
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    Inputs in(GetParam());
    in.forward();
    in.backward();
    results[threads - 1] = bytes_of(in.out) + bytes_of(in.dqkv);
  }
  set_num_threads(0);
  EXPECT_EQ(results[0], results[1]);
}

// A cache: the last queries of each document, one or several at a time, against
// keys that came before.
TEST_P(Attention, LaterQueriesSeeEarlierKeys) {
  Inputs whole(GetParam());
  whole.forward();
  for (const int64_t last : {1, 3, 9}) {
    Inputs in(GetParam());
    for (AttentionSpan& span : in.spans) {
      const int64_t skip = std::max<int64_t>(0, span.query_length - last);
      span.query_begin += skip;
      span.query_length -= skip;
    }
    in.forward();
    for (const AttentionSpan& span : in.spans)
      for (int64_t i = 0; i < span.query_length; ++i)
        for (int64_t col = 0; col < in.out.view().cols; ++col)
          ASSERT_NEAR(value_at(in.out, span.query_begin + i, col),
                      value_at(whole.out, span.query_begin + i, col),
                      2 * tolerance_of(GetParam().dtype));
  }
}

// Keys and values that are not of the queries' dtype: as the numbers they are.
TEST(AttentionKeys, OfAnyDtype) {
  constexpr int64_t kTokens = 600, kHeads = 6, kKvHeads = 2, kDim = 64;
  const AttentionShape shape{kHeads, kKvHeads, kDim, 0.125f, 0, 0};
  const OwnedTensor q = random_tensor(Dtype::f32, kTokens, kHeads * kDim, 1);
  const OwnedTensor k = random_tensor(Dtype::f32, kKvHeads * kTokens, kDim, 2);
  const OwnedTensor v = random_tensor(Dtype::f32, kKvHeads * kTokens, kDim, 3);
  for (const Dtype dtype : {Dtype::bf16, Dtype::q8_0}) {
    const OwnedTensor stored[] = {OwnedTensor(dtype, k.view().rows, kDim),
                                  OwnedTensor(dtype, k.view().rows, kDim)};
    const OwnedTensor numbers[] = {
        OwnedTensor(Dtype::f32, k.view().rows, kDim),
        OwnedTensor(Dtype::f32, k.view().rows, kDim)};
    for (const int which : {0, 1}) {
      const Tensor from = which == 0 ? k : v;
      if (dtype == Dtype::q8_0)
        quantize(stored[which], from);
      else
        convert(stored[which], from);
      convert(numbers[which], stored[which]);
    }
    for (const int64_t queries : {int64_t{1}, int64_t{2}, kTokens}) {
      const OwnedTensor out(Dtype::f32, kTokens, kHeads * kDim),
          expected(Dtype::f32, kTokens, kHeads * kDim);
      AttentionSpan span{kTokens - queries,
                         queries,
                         stored[0].view().data,
                         stored[1].view().data,
                         kTokens,
                         dtype,
                         kDim,
                         kTokens * kDim};
      attention_forward(out, nullptr, q, {&span, 1}, shape);
      span.key = numbers[0].view().data;
      span.value = numbers[1].view().data;
      span.dtype = Dtype::f32;
      attention_forward(expected, nullptr, q, {&span, 1}, shape);
      expect_near(out, values_of(expected), 1e-6, name_of(dtype).data());
    }
  }
}

// A key that is no number reaches every query that sees it, so that a training
// which went wrong is noticed.
TEST(AttentionKeys, NanIsNotHidden) {
  for (const int64_t queries : {int64_t{3}, int64_t{60}}) {
    Inputs in(Case{Dtype::f32, 4, 2, 16, {60}});
    constexpr int64_t kBad = 58;
    in.k.row<float>(kBad)[3] = std::numeric_limits<float>::quiet_NaN();
    in.spans[0].query_begin = 60 - queries;
    in.spans[0].query_length = queries;
    in.forward();
    for (int64_t row = 60 - queries; row < 60; ++row)
      EXPECT_EQ(std::isnan(value_at(in.out, row, 0)), row >= kBad) << row;
    if (queries < 60) continue;
    in.backward();
    EXPECT_TRUE(std::isnan(value_at(in.dq, kBad, 0)));
    EXPECT_TRUE(std::isnan(value_at(in.dv, 0, 0)));
    EXPECT_FALSE(std::isnan(value_at(in.dq, kBad - 1, 0)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Attention,
    testing::Values(Case{Dtype::f32, 2, 2, 8, {5}},
                    Case{Dtype::f32, 4, 2, 16, {1, 7, 3}},
                    Case{Dtype::f32, 3, 1, 24, {20, 2}},
                    Case{Dtype::bf16, 4, 2, 32, {9, 18}},
                    Case{Dtype::bf16, 2, 1, 64, {33}},
                    Case{Dtype::f32, 2, 1, 80, {65, 16}},
                    Case{Dtype::f32, 2, 2, 128, {257}},
                    Case{Dtype::bf16, 4, 4, 64, {100, 1, 30}},
                    Case{Dtype::f32, 4, 2, 16, {1, 7, 20}, 4},
                    Case{Dtype::f32, 2, 1, 24, {26, 3}, 1, 0.7f},
                    Case{Dtype::f32, 2, 2, 16, {29}, 0, 1.5f},
                    Case{Dtype::f32, 2, 1, 64, {150, 40, 2}, 33, 2},
                    Case{Dtype::bf16, 2, 1, 32, {90, 17}, 16, 5},
                    // Few rows in several stretches, with heads left over.
                    Case{Dtype::f32, 4, 1, 16, {560}},
                    Case{Dtype::bf16, 3, 1, 24, {530, 3}},
                    Case{Dtype::f32, 2, 1, 8, {800}, 600, 3}));

}  // namespace
}  // namespace seodang
