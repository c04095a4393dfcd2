#include <algorithm>
#include <vector>

#include "kernels/attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_backward.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

#include "kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

struct Gradients {
  Tensor dq, dk, dv;
};

struct Activations {
  Tensor dout, out, q, k, v;
  const float* lse;
};

// Scores of kKeys keys and rows r… become P and, in place of dP, dS.
HWY_INLINE void softmax_backward(float* scores, float* ds, int64_t keys,
                                 int64_t first_key, int64_t r, const Mask* mask,
                                 float softcap, const float* lse,
                                 const float* delta) {
  const Lanes d;
  const auto shift = hn::LoadU(d, lse + r), pull = hn::LoadU(d, delta + r);
  for (int64_t j = 0; j < keys; ++j) {
    float *const score = scores + j * kRows + r, *const dp = ds + j * kRows + r;
    auto s = hn::LoadU(d, score);
    auto slope = hn::Set(d, 1.0f);
    if (softcap > 0) {
      s = soften(s, softcap);
      const auto t = hn::Mul(s, hn::Set(d, 1 / softcap));
      slope = hn::NegMulAdd(t, t, slope);
      s = hn::Mul(s, hn::Set(d, kLog2E));
    }
    if (mask != nullptr) s = mask->masked(s, first_key + j, r);
    auto x = hn::Sub(s, shift);
    x = hn::IfThenZeroElse(hn::Gt(x, hn::Zero(d)), x);  // rounding; NaN stays
    const auto p = exp2_of(x);
    hn::StoreU(p, d, score);
    hn::StoreU(hn::Mul(hn::Mul(p, slope), hn::Sub(hn::LoadU(d, dp), pull)), d,
               dp);
  }
}

// Of keys and values whole, of rows and scores a tile.
int64_t backward_scratch(int64_t keys, int64_t dim) {
  const int64_t ldd = rounded(dim);
  return 4 * keys * ldd + 5 * kRows * ldd + 2 * (kKeys + 1) * kRows;
}

// FlashAttention, algorithm 4, for one span and some heads of one key/value
// head's group:
//   dV += Pᵀ·dO,  dP = dO·Vᵀ,  dS = P ⊙ (dP − rowsum(dO ⊙ O)),
//   dQ = scale·dS·K,  dK += dSᵀ·(scale·Q);
// dkeys and dvalues (key_length × rounded(dim)) f32 receive the last.
template <class T>
void backward_heads(Tensor dq, float* dkeys, float* dvalues,
                    const Activations& a, const AttentionShape& shape,
                    int64_t kv_head, Rows rows, Scratch& scratch) {
  const Lanes d;
  const int64_t dim = shape.head_dim, ldd = rounded(dim);
  const int64_t n = rows.span.query_length, begin = rows.span.query_begin;
  float* const keys = scratch.take(n * ldd);
  float* const values = scratch.take(n * ldd);
  float* const queries = scratch.take(kRows * ldd);
  float* const queries_t = scratch.take(kRows * ldd);
  float* const douts = scratch.take(kRows * ldd);
  float* const douts_t = scratch.take(kRows * ldd);
  float* const dqueries = scratch.take(kRows * ldd);
  float* const scores = scratch.take(kKeys * kRows);
  float* const ds = scratch.take(kKeys * kRows);
  float* const lse = scratch.take(kRows);
  float* const delta = scratch.take(kRows);
  unpack(keys, ldd, a.k.row<T>(begin) + kv_head * dim, a.k.stride, n, dim);
  unpack(values, ldd, a.v.row<T>(begin) + kv_head * dim, a.v.stride, n, dim);
  std::fill(dkeys, dkeys + n * ldd, 0.0f);
  std::fill(dvalues, dvalues + n * ldd, 0.0f);

  // Scores are in units of log 2, as exp2 takes them; queries carry the scale.
  const float unit = shape.softcap > 0 ? 1 : kLog2E;
  const int64_t all_rows = n * rows.heads;
  for (; rows.first < all_rows; rows.first += kRows) {
    rows.count = std::min(kRows, all_rows - rows.first);
    const int64_t columns = rows.columns();
    gather<T>(queries, ldd, a.q, rows, dim, shape.scale);
    transpose(queries_t, kRows, queries, ldd, columns, dim);
    gather<T>(douts, ldd, a.dout, rows, dim, 1);
    transpose(douts_t, kRows, douts, ldd, columns, dim);
    std::fill(dqueries, dqueries + kRows * ldd, 0.0f);
    std::fill(lse, lse + kRows, 0.0f);
    std::fill(delta, delta + kRows, 0.0f);
    for (int64_t r = 0; r < rows.count; ++r) {
      const int64_t row = rows.row(r), head = rows.head(r);
      const T* const o = a.out.row<T>(row) + head * dim;
      const float* const g = douts + r * ldd;
      lse[r] = a.lse[row * shape.num_attention_heads + head] * kLog2E;
      delta[r] = sum_of(dim, [&](auto one, int64_t c) HWY_ATTR {
        return hn::Mul(load(one, o + c), load(one, g + c));
      });
    }
    if (unit != 1)
      for (int64_t i = 0; i < dim * kRows; ++i) queries_t[i] *= unit;
    const Mask mask(rows, shape);
    const int64_t end = rows.end_key();
    for (int64_t key = first_seen(shape, rows.last_key(0)); key < end;
         key += kKeys) {
      const int64_t count = std::min(kKeys, end - key);
      const bool all = mask.all(key, key + count);
      const float* const k = keys + key * ldd;
      product<false>(d, scores, kRows, k, ldd, 1, queries_t, kRows, count,
                     columns, dim);
      product<false>(d, ds, kRows, values + key * ldd, ldd, 1, douts_t, kRows,
                     count, columns, dim);
      for (int64_t r = 0; r < columns; r += hn::MaxLanes(d))
        softmax_backward(scores, ds, count, key, r, all ? nullptr : &mask,
                         shape.softcap, lse, delta);
      product<true>(d, dvalues + key * ldd, ldd, scores, kRows, 1, douts, ldd,
                    count, ldd, rows.count);
      product<true>(d, dkeys + key * ldd, ldd, ds, kRows, 1, queries, ldd,
                    count, ldd, rows.count);
      product<true>(d, dqueries, ldd, ds, 1, kRows, k, ldd, rows.count, ldd,
                    count);
    }
    for (int64_t i = 0; i < rows.count * ldd; ++i) dqueries[i] *= shape.scale;
    scatter<T>(dq, rows, dim, dqueries, ldd);
  }
}

// x's rows of the span and columns of one head = Σ of `parts` f32 matrices
// (key_length × rounded(dim)), `apart` numbers apart.
template <class T>
void pack_sum(Tensor x, const AttentionSpan& span, int64_t kv_head, int64_t dim,
              const float* from, int64_t apart, int64_t parts) {
  for (int64_t r = 0; r < span.query_length; ++r) {
    T* const to = x.row<T>(span.query_begin + r) + kv_head * dim;
    for_each(dim, [&](auto d, int64_t i) HWY_ATTR {
      const float* const number = from + r * rounded(dim) + i;
      auto sum = load(d, number);
      for (int64_t p = 1; p < parts; ++p)
        sum = hn::Add(sum, load(d, number + p * apart));
      store(d, sum, to + i);
    });
  }
}

// Where there are fewer pairs of span and key/value head, the heads of a group
// are computed by themselves, and their dK and dV added up afterwards.
constexpr int64_t kEnoughPairs = 8;

template <class T>
void backward(const Gradients& g, const Activations& a,
              std::span<const AttentionSpan> spans,
              const AttentionShape& shape) {
  const int64_t dim = shape.head_dim, kv_heads = shape.num_key_value_heads;
  const int64_t group = shape.num_attention_heads / kv_heads;
  const int64_t pairs = static_cast<int64_t>(spans.size()) * kv_heads;
  const int64_t parts = pairs < kEnoughPairs ? group : 1;
  int64_t longest = 0;
  for (const AttentionSpan& span : spans)
    longest = std::max(longest, span.query_length);
  const int64_t size = longest * rounded(dim);  // of dK, and of dV
  const int64_t need = backward_scratch(longest, dim);
  Scratch* const scratch = shared_scratch(need);
  thread_local Buffer kept_sums;
  float* const sums = static_cast<float*>(kept_sums.at_least(
      parts == 1
          ? 0
          : static_cast<size_t>(pairs * parts * 2 * size) * sizeof(float)));
  const auto span_of = [&](int64_t pair) -> const AttentionSpan& {
    return spans[static_cast<size_t>(pair / kv_heads)];
  };
  const auto pack = [&](int64_t pair, const float* from) {
    const AttentionSpan& span = span_of(pair);
    const int64_t head = pair % kv_heads;
    pack_sum<T>(g.dk, span, head, dim, from, 2 * size, parts);
    pack_sum<T>(g.dv, span, head, dim, from + size, 2 * size, parts);
  };

  parallel_items(pairs * parts, [&](int64_t item) {
    const int64_t pair = item / parts, heads = group / parts;
    Scratch& own = scratch[share_index()];
    own.reset(need);
    float* const dkeys =
        parts == 1 ? own.take(2 * size) : sums + item * 2 * size;
    const int64_t head = pair % kv_heads;
    backward_heads<T>(
        g.dq, dkeys, dkeys + size, a, shape, head,
        {span_of(pair), head * group + item % parts * heads, heads, 0, 0}, own);
    if (parts == 1) pack(pair, dkeys);
  });
  if (parts > 1)
    parallel_items(pairs, [&](int64_t pair) {
      pack(pair, sums + pair * parts * 2 * size);
    });
}

void AttentionBackward(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor out,
                       const float* lse, Tensor q, Tensor k, Tensor v,
                       std::span<const AttentionSpan> spans,
                       const AttentionShape& shape) {
  with_type(q.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    backward<T>({dq, dk, dv}, {dout, out, q, k, v, lse}, spans, shape);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(AttentionBackward);

void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor dout,
                        Tensor out, const float* lse, Tensor q, Tensor k,
                        Tensor v, std::span<const AttentionSpan> spans,
                        const AttentionShape& shape) {
  HWY_DYNAMIC_DISPATCH(AttentionBackward)
  (dq, dk, dv, dout, out, lse, q, k, v, spans, shape);
}

}  // namespace seodang
#endif
