#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// Rows of queries taken together: a block of scores stays in the first caches.
constexpr int64_t kBlock = 16;
// From so many queries on it pays to transpose the keys.
constexpr int64_t kFewQueries = 4;

// f32 scratch of one share of the work, handed out in pieces that start on a
// cache line.
class Scratch {
 public:
  void reset(int64_t need) {
    used_ = 0;
    memory_.at_least(static_cast<size_t>(need) * sizeof(float));
  }
  float* take(int64_t count) {
    float* out = memory_.as<float>() + used_;
    used_ += rounded(count);
    return out;
  }
  static int64_t rounded(int64_t count) { return (count + 15) / 16 * 16; }

 private:
  Buffer memory_;
  int64_t used_ = 0;
};

// Scratch for each share of the work that the calling thread deals out, each as
// large as the longest span needs, so that a later call allocates nothing.
Scratch* shared_scratch(int64_t need) {
  thread_local std::vector<Scratch> scratch;
  if (scratch.size() < static_cast<size_t>(num_threads()))
    scratch.resize(static_cast<size_t>(num_threads()));
  for (Scratch& share : scratch) share.reset(need);
  return scratch.data();
}

// C (Rows × n) = or += A·B, all f32: A(i,k) = a[i·ai + k·ak], B (depth × n)
// with rows ldb apart. n is a multiple of 16, as the rows of all scratch here
// are.
template <int kRows, bool kAdd>
HWY_INLINE void product_rows(float* c, int64_t ldc, const float* a, int64_t ai,
                             int64_t ak, const float* b, int64_t ldb, int64_t n,
                             int64_t depth) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto columns = [&](int64_t j, auto pair) HWY_ATTR {
    constexpr bool kPair = decltype(pair)::value;
    hn::Vec<decltype(d)> left[kRows], right[kRows];
    for (int i = 0; i < kRows; ++i) {
      left[i] = kAdd ? hn::LoadU(d, c + i * ldc + j) : hn::Zero(d);
      if (kPair)
        right[i] = kAdd ? hn::LoadU(d, c + i * ldc + j + lanes) : hn::Zero(d);
    }
    for (int64_t k = 0; k < depth; ++k) {
      const auto b0 = hn::LoadU(d, b + k * ldb + j);
      const auto b1 = kPair ? hn::LoadU(d, b + k * ldb + j + lanes) : b0;
      for (int i = 0; i < kRows; ++i) {
        const auto x = hn::Set(d, a[i * ai + k * ak]);
        left[i] = hn::MulAdd(x, b0, left[i]);
        if (kPair) right[i] = hn::MulAdd(x, b1, right[i]);
      }
    }
    for (int i = 0; i < kRows; ++i) {
      hn::StoreU(left[i], d, c + i * ldc + j);
      if (kPair) hn::StoreU(right[i], d, c + i * ldc + j + lanes);
    }
  };
  int64_t j = 0;
  for (; j + 2 * lanes <= n; j += 2 * lanes)
    columns(j, std::bool_constant<true>());
  for (; j < n; j += lanes) columns(j, std::bool_constant<false>());
}

template <bool kAdd>
void product(float* c, int64_t ldc, const float* a, int64_t ai, int64_t ak,
             const float* b, int64_t ldb, int64_t rows, int64_t n,
             int64_t depth) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8)
    product_rows<8, kAdd>(c + i * ldc, ldc, a + i * ai, ai, ak, b, ldb, n,
                          depth);
  for (; i + 4 <= rows; i += 4)
    product_rows<4, kAdd>(c + i * ldc, ldc, a + i * ai, ai, ak, b, ldb, n,
                          depth);
  for (; i < rows; ++i)
    product_rows<1, kAdd>(c + i * ldc, ldc, a + i * ai, ai, ak, b, ldb, n,
                          depth);
}

// to (rows × ld) f32 = scale · from (rows × cols); columns up to ld are zero.
template <class T>
void unpack(float* to, int64_t ld, const T* from, int64_t stride, int64_t rows,
            int64_t cols, float scale = 1) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = from + r * stride;
    float* out = to + r * ld;
    for_each(cols, [&](auto d, int64_t i) HWY_ATTR {
      store(d, hn::Mul(load(d, row + i), hn::Set(d, scale)), out + i);
    });
    std::fill(out + cols, out + ld, 0.0f);
  }
}

// to (cols × ld) f32 = fromᵀ; columns from `rows` up to ld are zero.
template <class T>
void unpack_transposed(float* to, int64_t ld, const T* from, int64_t stride,
                       int64_t rows, int64_t cols) {
  for (int64_t c = 0; c < cols; ++c) {
    float* out = to + c * ld;
    for (int64_t r = 0; r < rows; ++r)
      out[r] = static_cast<float>(from[r * stride + c]);
    std::fill(out + rows, out + ld, 0.0f);
  }
}

template <class T>
void pack(T* to, int64_t stride, const float* from, int64_t ld, int64_t rows,
          int64_t cols) {
  for (int64_t r = 0; r < rows; ++r)
    for_each(cols, [&](auto d, int64_t i) HWY_ATTR {
      store(d, load(d, from + r * ld + i), to + r * stride + i);
    });
}

// p ← exp(p − shift) for the first `seen` of `n`, 0 behind them.
HWY_INLINE void exponentials(float* p, int64_t seen, int64_t n, float shift) {
  for_each(seen, [&](auto d, int64_t i) HWY_ATTR {
    store(d, hn::Exp(d, hn::Sub(load(d, p + i), hn::Set(d, shift))), p + i);
  });
  std::fill(p + seen, p + n, 0.0f);
}

HWY_INLINE float total_of(const float* p, int64_t n) {
  return sum_of(n, [&](auto d, int64_t i) HWY_ATTR { return load(d, p + i); });
}

// The first key that query number `query` sees.
HWY_INLINE int64_t first_seen(const AttentionShape& shape, int64_t query) {
  return shape.window > 0 ? std::max<int64_t>(0, query + 1 - shape.window) : 0;
}

// s ← cap · tanh(s / cap).
HWY_INLINE void soften(float* s, int64_t n, float cap) {
  for_each(n, [&](auto d, int64_t i) HWY_ATTR {
    const auto t = hn::Tanh(d, hn::Mul(load(d, s + i), hn::Set(d, 1 / cap)));
    store(d, hn::Mul(t, hn::Set(d, cap)), s + i);
  });
}

// One query against many keys, read where they lie: the shape of generation,
// where each key is used once and copying it would cost as much as using it.
template <class T>
void one_query(T* out, float* lse, const T* query, const AttentionSpan& span,
               const T* keys, const T* values, int64_t seen,
               const AttentionShape& shape, Scratch& scratch) {
  const int64_t dim = shape.head_dim;
  scratch.reset(Scratch::rounded(seen) + 2 * Scratch::rounded(dim));
  float* p = scratch.take(seen);
  float* q = scratch.take(dim);
  float* sum = scratch.take(dim);
  unpack(q, dim, query, dim, 1, dim, shape.scale);
  for (int64_t j = 0; j < seen; ++j) {
    const T* key = keys + j * span.stride;
    p[j] = sum_of(dim, [&](auto d, int64_t i) HWY_ATTR {
      return hn::Mul(load(d, q + i), load(d, key + i));
    });
  }
  if (shape.softcap > 0) soften(p, seen, shape.softcap);
  const float most = max_of(seen, p);
  exponentials(p, seen, seen, most);
  const float total = total_of(p, seen);
  if (lse != nullptr) *lse = most + std::log(total);
  std::fill(sum, sum + dim, 0.0f);
  for (int64_t j = 0; j < seen; ++j) {
    const T* value = values + j * span.stride;
    const float weight = p[j] / total;
    for_each(dim, [&](auto d, int64_t i) HWY_ATTR {
      store(
          d,
          hn::MulAdd(load(d, value + i), hn::Set(d, weight), load(d, sum + i)),
          sum + i);
    });
  }
  pack(out, dim, sum, dim, 1, dim);
}

int64_t forward_scratch(int64_t keys, int64_t dim) {
  const int64_t ldn = Scratch::rounded(keys), ldd = Scratch::rounded(dim);
  return (dim + kBlock) * ldn + (keys + 2 * kBlock) * ldd;
}

// All queries of one (span, kv head).
template <class T>
void forward_item(Tensor out, float* lse, Tensor q, const AttentionSpan& span,
                  const AttentionShape& shape, int64_t kv_head,
                  Scratch& scratch) {
  const int64_t dim = shape.head_dim, heads = shape.num_attention_heads;
  const int64_t group = heads / shape.num_key_value_heads;
  // Keys that lie before every window are passed over.
  const int64_t skipped =
      first_seen(shape, span.key_length - span.query_length);
  const int64_t n = span.key_length - skipped, past = n - span.query_length;
  const int64_t offset = skipped * span.stride + kv_head * dim;
  const T* keys = static_cast<const T*>(span.key) + offset;
  const T* values = static_cast<const T*>(span.value) + offset;

  if (span.query_length < kFewQueries) {
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
      for (int64_t i = 0; i < span.query_length; ++i) {
        const int64_t row = span.query_begin + i;
        const int64_t from = first_seen(shape, past + i);
        one_query(out.row<T>(row) + head * dim,
                  lse == nullptr ? nullptr : lse + row * heads + head,
                  q.row<T>(row) + head * dim, span, keys + from * span.stride,
                  values + from * span.stride, past + i + 1 - from, shape,
                  scratch);
      }
    return;
  }

  const int64_t ldn = Scratch::rounded(n), ldd = Scratch::rounded(dim);
  scratch.reset(forward_scratch(n, dim));
  float* keys_t = scratch.take(dim * ldn);
  float* v = scratch.take(n * ldd);
  float* queries = scratch.take(kBlock * ldd);
  float* p = scratch.take(kBlock * ldn);
  float* sums = scratch.take(kBlock * ldd);
  unpack_transposed(keys_t, ldn, keys, span.stride, n, dim);
  unpack(v, ldd, values, span.stride, n, dim);
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
    for (int64_t first = 0; first < span.query_length; first += kBlock) {
      const int64_t rows = std::min(kBlock, span.query_length - first);
      const int64_t row = span.query_begin + first;
      const int64_t seen = past + first + rows;  // by the block's last query
      const int64_t width = Scratch::rounded(seen);
      const int64_t from = first_seen(shape, past + first) / kBlock * kBlock;
      unpack(queries, ldd, q.row<T>(row) + head * dim, q.stride, rows, dim,
             shape.scale);
      product<false>(p + from, ldn, queries, ldd, 1, keys_t + from, ldn, rows,
                     width - from, dim);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t begin = first_seen(shape, past + first + i);
        const int64_t own = past + first + i + 1 - begin;
        std::fill(p + i * ldn + from, p + i * ldn + begin, 0.0f);
        float* line = p + i * ldn + begin;
        if (shape.softcap > 0) soften(line, own, shape.softcap);
        const float most = max_of(own, line);
        exponentials(line, own, width - begin, most);
        const float total = total_of(line, own);
        if (lse != nullptr)
          lse[(row + i) * heads + head] = most + std::log(total);
        for_each(own, [&](auto d, int64_t j) HWY_ATTR {
          store(d, hn::Mul(load(d, line + j), hn::Set(d, 1 / total)), line + j);
        });
      }
      product<false>(sums, ldd, p + from, ldn, 1, v + from * ldd, ldd, rows,
                     ldd, seen - from);
      pack(out.row<T>(row) + head * dim, out.stride, sums, ldd, rows, dim);
    }
}

void AttentionForward(Tensor out, float* lse, Tensor q,
                      std::span<const AttentionSpan> spans,
                      const AttentionShape& shape) {
  const int64_t kv_heads = shape.num_key_value_heads;
  int64_t most = 0;
  for (const AttentionSpan& span : spans)
    if (span.query_length >= kFewQueries)
      most = std::max(
          most, span.key_length -
                    first_seen(shape, span.key_length - span.query_length));
  Scratch* const scratch =
      shared_scratch(most > 0 ? forward_scratch(most, shape.head_dim) : 0);
  with_type(q.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_items(
        static_cast<int64_t>(spans.size()) * kv_heads, [&](int64_t item) {
          forward_item<T>(out, lse, q,
                          spans[static_cast<size_t>(item / kv_heads)], shape,
                          item % kv_heads, scratch[share_index()]);
        });
  });
}

// Softens s, and moves dP so that P ⊙ (dP − delta) is the gradient before the
// cap: (dP − delta)·(1 − (s/cap)²) + delta.
HWY_INLINE void soften_backward(float* s, float* dp, int64_t n, float cap,
                                float delta) {
  soften(s, n, cap);
  for_each(n, [&](auto d, int64_t i) HWY_ATTR {
    const auto t = hn::Mul(load(d, s + i), hn::Set(d, 1 / cap));
    const auto slope = hn::NegMulAdd(t, t, hn::Set(d, 1.0f));
    const auto pull = hn::Set(d, delta);
    store(d, hn::MulAdd(hn::Sub(load(d, dp + i), pull), slope, pull), dp + i);
  });
}

int64_t backward_scratch(int64_t keys, int64_t dim) {
  const int64_t ldn = Scratch::rounded(keys), ldd = Scratch::rounded(dim);
  return 2 * (dim + kBlock) * ldn + 3 * (keys + kBlock) * ldd;
}

// FlashAttention, algorithm 4, for one (span, kv head):
//   dV += Pᵀ·dO,  dP = dO·Vᵀ,  dS = P ⊙ (dP − rowsum(dO ⊙ O)),
//   dQ = scale·dS·K,  dK += dSᵀ·(scale·Q).
template <class T>
void backward_item(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor out,
                   const float* lse, Tensor q, Tensor k, Tensor v,
                   const AttentionSpan& span, const AttentionShape& shape,
                   int64_t kv_head, Scratch& scratch) {
  const int64_t dim = shape.head_dim, heads = shape.num_attention_heads;
  const int64_t group = heads / shape.num_key_value_heads;
  const int64_t n = span.query_length, begin = span.query_begin;
  const int64_t ldn = Scratch::rounded(n), ldd = Scratch::rounded(dim);
  scratch.reset(backward_scratch(n, dim));
  float* keys_t = scratch.take(dim * ldn);
  float* values_t = scratch.take(dim * ldn);
  float* p = scratch.take(kBlock * ldn);
  float* ds = scratch.take(kBlock * ldn);
  float* keys = scratch.take(n * ldd);
  float* dkeys = scratch.take(n * ldd);
  float* dvalues = scratch.take(n * ldd);
  float* queries = scratch.take(kBlock * ldd);
  float* douts = scratch.take(kBlock * ldd);
  float* dqueries = scratch.take(kBlock * ldd);
  const T* key = k.row<T>(begin) + kv_head * dim;
  const T* value = v.row<T>(begin) + kv_head * dim;
  unpack_transposed(keys_t, ldn, key, k.stride, n, dim);
  unpack_transposed(values_t, ldn, value, v.stride, n, dim);
  unpack(keys, ldd, key, k.stride, n, dim, shape.scale);
  std::fill(dkeys, dkeys + n * ldd, 0.0f);
  std::fill(dvalues, dvalues + n * ldd, 0.0f);

  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
    for (int64_t first = 0; first < n; first += kBlock) {
      const int64_t rows = std::min(kBlock, n - first), row = begin + first;
      const int64_t seen = first + rows, width = Scratch::rounded(seen);
      const int64_t from = first_seen(shape, first) / kBlock * kBlock;
      unpack(queries, ldd, q.row<T>(row) + head * dim, q.stride, rows, dim,
             shape.scale);
      unpack(douts, ldd, dout.row<T>(row) + head * dim, dout.stride, rows, dim);
      product<false>(p + from, ldn, queries, ldd, 1, keys_t + from, ldn, rows,
                     width - from, dim);
      product<false>(ds + from, ldn, douts, ldd, 1, values_t + from, ldn, rows,
                     width - from, dim);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t hidden = first_seen(shape, first + i) - from;
        const int64_t own = first + i + 1 - from - hidden;
        float *pi = p + i * ldn + from, *dsi = ds + i * ldn + from;
        const T* o = out.row<T>(row + i) + head * dim;
        const float* g = douts + i * ldd;
        const float delta = sum_of(dim, [&](auto d, int64_t c) HWY_ATTR {
          return hn::Mul(load(d, o + c), load(d, g + c));
        });
        if (shape.softcap > 0)
          soften_backward(pi + hidden, dsi + hidden, own, shape.softcap, delta);
        std::fill(pi, pi + hidden, 0.0f);
        exponentials(pi + hidden, own, width - from - hidden,
                     lse[(row + i) * heads + head]);
        for_each(width - from, [&](auto d, int64_t j) HWY_ATTR {
          store(d,
                hn::Mul(load(d, pi + j),
                        hn::Sub(load(d, dsi + j), hn::Set(d, delta))),
                dsi + j);
        });
      }
      product<true>(dvalues + from * ldd, ldd, p + from, 1, ldn, douts, ldd,
                    seen - from, ldd, rows);
      product<true>(dkeys + from * ldd, ldd, ds + from, 1, ldn, queries, ldd,
                    seen - from, ldd, rows);
      product<false>(dqueries, ldd, ds + from, ldn, 1, keys + from * ldd, ldd,
                     rows, ldd, seen - from);
      pack(dq.row<T>(row) + head * dim, dq.stride, dqueries, ldd, rows, dim);
    }
  pack(dk.row<T>(begin) + kv_head * dim, dk.stride, dkeys, ldd, n, dim);
  pack(dv.row<T>(begin) + kv_head * dim, dv.stride, dvalues, ldd, n, dim);
}

void AttentionBackward(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor out,
                       const float* lse, Tensor q, Tensor k, Tensor v,
                       std::span<const AttentionSpan> spans,
                       const AttentionShape& shape) {
  const int64_t kv_heads = shape.num_key_value_heads;
  int64_t most = 0;
  for (const AttentionSpan& span : spans)
    most = std::max(most, span.query_length);
  Scratch* const scratch =
      shared_scratch(backward_scratch(most, shape.head_dim));
  with_type(q.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_items(
        static_cast<int64_t>(spans.size()) * kv_heads, [&](int64_t item) {
          backward_item<T>(dq, dk, dv, dout, out, lse, q, k, v,
                           spans[static_cast<size_t>(item / kv_heads)], shape,
                           item % kv_heads, scratch[share_index()]);
        });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(AttentionForward);
HWY_EXPORT(AttentionBackward);

void attention_forward(Tensor out, float* lse, Tensor q,
                       std::span<const AttentionSpan> spans,
                       const AttentionShape& shape) {
  HWY_DYNAMIC_DISPATCH(AttentionForward)(out, lse, q, spans, shape);
}

void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor dout,
                        Tensor out, const float* lse, Tensor q, Tensor k,
                        Tensor v, std::span<const AttentionSpan> spans,
                        const AttentionShape& shape) {
  HWY_DYNAMIC_DISPATCH(AttentionBackward)
  (dq, dk, dv, dout, out, lse, q, k, v, spans, shape);
}

}  // namespace seodang
#endif
