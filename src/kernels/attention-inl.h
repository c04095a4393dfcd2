// Shared by attention's forward and backward, once per target. Included behind
// kernels/row-inl.h, so it has no #pragma once.
//
// The rows of a key/value head are the pairs (query, head of its group), query
// by query, and taken kRows at a time. Scores lie transposed, a line of rows
// for each key: lanes are rows, so keys and values are used as they lie, and
// maxima and sums over keys are vectors.
#if defined(SEODANG_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEODANG_KERNELS_ATTENTION_INL_H_
#undef SEODANG_KERNELS_ATTENTION_INL_H_
#else
#define SEODANG_KERNELS_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/threads.h"
#include "kernels/attention.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// Rows taken together; three registers of AVX-512, twice three of AVX2.
constexpr int64_t kRows = 48;
// Keys taken together: their scores stay in the first cache.
constexpr int64_t kKeys = 64;
// Of a key that a row does not see. Finite, so that no difference is NaN; what
// it adds before a row's first key is multiplied by 2^-∞ when that one comes.
constexpr float kMasked = -1e30f;
constexpr float kLog2E = 1.44269504f;

using Lanes = hn::CappedTag<float, 16>;

inline int64_t rounded(int64_t count) { return (count + 15) / 16 * 16; }

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

 private:
  Buffer memory_;
  int64_t used_ = 0;
};

// Scratch for each share of the work that the calling thread deals out.
inline Scratch* shared_scratch(int64_t need) {
  thread_local std::vector<Scratch> scratch;
  if (scratch.size() < static_cast<size_t>(num_threads()))
    scratch.resize(static_cast<size_t>(num_threads()));
  for (Scratch& share : scratch) share.reset(need);
  return scratch.data();
}

// C (kCount × n) = or += A·B in f32: A(i,k) = a[i·ai + k·ak], B (depth × n)
// with rows ldb apart. n is a multiple of D's lanes.
template <int kCount, bool kAdd, class D>
HWY_INLINE void product_rows(D d, float* c, int64_t ldc, const float* a,
                             int64_t ai, int64_t ak, const float* b,
                             int64_t ldb, int64_t n, int64_t depth) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const auto columns = [&](int64_t j, auto vectors) HWY_ATTR {
    constexpr int kVectors = decltype(vectors)::value;
    hn::Vec<D> sum[kCount][kVectors];
    for (int i = 0; i < kCount; ++i)
      for (int v = 0; v < kVectors; ++v)
        sum[i][v] =
            kAdd ? hn::LoadU(d, c + i * ldc + j + v * kLanes) : hn::Zero(d);
    for (int64_t k = 0; k < depth; ++k) {
      hn::Vec<D> right[kVectors];
      for (int v = 0; v < kVectors; ++v)
        right[v] = hn::LoadU(d, b + k * ldb + j + v * kLanes);
      for (int i = 0; i < kCount; ++i) {
        const auto x = hn::Set(d, a[i * ai + k * ak]);
        for (int v = 0; v < kVectors; ++v)
          sum[i][v] = hn::MulAdd(x, right[v], sum[i][v]);
      }
    }
    for (int i = 0; i < kCount; ++i)
      for (int v = 0; v < kVectors; ++v)
        hn::StoreU(sum[i][v], d, c + i * ldc + j + v * kLanes);
  };
  int64_t j = 0;
  const auto take = [&](auto vectors) HWY_ATTR {
    constexpr int64_t kWidth = decltype(vectors)::value * kLanes;
    for (; j + kWidth <= n; j += kWidth) columns(j, vectors);
  };
  if (kCount <= 4 && HWY_MAX_BYTES >= 64)
    take(std::integral_constant<int, 4>());
  take(std::integral_constant<int, 3>());
  take(std::integral_constant<int, 2>());
  take(std::integral_constant<int, 1>());
}

// The same for any number of rows: as many at a time as registers hold.
template <bool kAdd, class D>
void product(D d, float* c, int64_t ldc, const float* a, int64_t ai, int64_t ak,
             const float* b, int64_t ldb, int64_t rows, int64_t n,
             int64_t depth) {
  constexpr int kMost = HWY_MAX_BYTES >= 64 ? 8 : 4;
  int64_t i = 0;
  const auto take = [&](auto count) HWY_ATTR {
    constexpr int kCount = decltype(count)::value;
    for (; i + kCount <= rows; i += kCount)
      product_rows<kCount, kAdd>(d, c + i * ldc, ldc, a + i * ai, ai, ak, b,
                                 ldb, n, depth);
  };
  take(std::integral_constant<int, kMost>());
  take(std::integral_constant<int, kMost / 2>());
  take(std::integral_constant<int, 1>());
}

// to (rows × ld) f32 = from (rows × cols); columns up to ld are zero.
template <class T>
void unpack(float* to, int64_t ld, const T* from, int64_t stride, int64_t rows,
            int64_t cols) {
  if (stride == cols && ld == cols) {  // one row as long as all
    cols *= rows;
    rows = 1;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = from + r * stride;
    float* out = to + r * ld;
    for_each(cols, [&](auto d, int64_t i)
                       HWY_ATTR { store(d, load(d, row + i), out + i); });
    std::fill(out + cols, out + std::max(cols, ld), 0.0f);
  }
}

// to (cols × ldt) = from (rows × ld)ᵀ; both are multiples of 4 numbers.
HWY_INLINE void transpose(float* to, int64_t ldt, const float* from, int64_t ld,
                          int64_t rows, int64_t cols) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t r = 0; r < rows; ++r) to[c * ldt + r] = from[r * ld + c];
#else
  const hn::FixedTag<float, 4> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  for (int64_t r = 0; r < rows; r += 4)
    for (int64_t c = 0; c < cols; c += 4) {
      const float* x = from + r * ld + c;
      const auto a = hn::LoadU(d, x), b = hn::LoadU(d, x + ld);
      const auto e = hn::LoadU(d, x + 2 * ld), f = hn::LoadU(d, x + 3 * ld);
      const auto ab = hn::BitCast(wide, hn::InterleaveLower(d, a, b));
      const auto ef = hn::BitCast(wide, hn::InterleaveLower(d, e, f));
      const auto ab2 = hn::BitCast(wide, hn::InterleaveUpper(d, a, b));
      const auto ef2 = hn::BitCast(wide, hn::InterleaveUpper(d, e, f));
      float* y = to + c * ldt + r;
      const auto put = [&](int64_t line, auto v) HWY_ATTR {
        hn::StoreU(hn::BitCast(d, v), d, y + line * ldt);
      };
      put(0, hn::InterleaveLower(wide, ab, ef));
      put(1, hn::InterleaveUpper(wide, ab, ef));
      put(2, hn::InterleaveLower(wide, ab2, ef2));
      put(3, hn::InterleaveUpper(wide, ab2, ef2));
    }
#endif
}

// 2^x for x ≤ 0 as 2^n · p(f), n whole and |f| ≤ 1/2; 0 below the normal
// numbers, NaN for NaN. p is the polynomial of degree 6 with p(0) = 1 whose
// largest relative error, 4e-9, is least; 2^0 is 1 exactly.
HWY_INLINE hn::Vec<Lanes> exp2_of(hn::Vec<Lanes> x) {
  const Lanes d;
  const hn::RebindToSigned<Lanes> di;
  const auto whole = hn::Round(x);
  const auto f = hn::Sub(x, whole);
  auto p = hn::Set(d, 0.0001546973199f);
  for (const float c : {0.001341000097f, 0.009618030782f, 0.05550297314f,
                        0.2402265108f, 0.6931472254f, 1.0f})
    p = hn::MulAdd(p, f, hn::Set(d, c));
  const auto exponent = hn::ConvertTo(di, hn::Add(whole, hn::Set(d, 127.0f)));
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(exponent));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -126.0f)), hn::Mul(p, power));
}

// cap · tanh(s / cap).
HWY_INLINE hn::Vec<Lanes> soften(hn::Vec<Lanes> s, float cap) {
  const Lanes d;
  return hn::Mul(hn::Tanh(d, hn::Mul(s, hn::Set(d, 1 / cap))), hn::Set(d, cap));
}

// The first key that query number `query` sees.
HWY_INLINE int64_t first_seen(const AttentionShape& shape, int64_t query) {
  return shape.window > 0 ? std::max<int64_t>(0, query + 1 - shape.window) : 0;
}

// Up to kRows rows of some heads of one key/value head's group.
struct Rows {
  const AttentionSpan& span;
  int64_t first_head, heads;  // row r is of head first_head + r mod heads
  int64_t first, count;       // of the span's query_length · heads rows

  int64_t query(int64_t r) const { return (first + r) / heads; }
  int64_t head(int64_t r) const { return first_head + (first + r) % heads; }
  // The row of q, out and lse.
  int64_t row(int64_t r) const { return span.query_begin + query(r); }
  // The number of the query in its document: the last key that it sees.
  int64_t last_key(int64_t r) const {
    return span.key_length - span.query_length + query(r);
  }
  int64_t end_key() const { return last_key(count - 1) + 1; }
  int64_t columns() const { return rounded(count); }
};

// to (columns × ld) f32 = scale · those rows of x; lines behind them are zero.
template <class T>
void gather(float* to, int64_t ld, Tensor x, const Rows& rows, int64_t dim,
            float scale) {
  for (int64_t r = 0; r < rows.count; ++r) {
    const T* const from = x.row<T>(rows.row(r)) + rows.head(r) * dim;
    float* const line = to + r * ld;
    for_each(dim, [&](auto d, int64_t i) HWY_ATTR {
      store(d, hn::Mul(load(d, from + i), hn::Set(d, scale)), line + i);
    });
    std::fill(line + dim, line + ld, 0.0f);
  }
  std::fill(to + rows.count * ld, to + rows.columns() * ld, 0.0f);
}

template <class T>
void scatter(Tensor x, const Rows& rows, int64_t dim, const float* from,
             int64_t ld) {
  for (int64_t r = 0; r < rows.count; ++r) {
    T* to = x.row<T>(rows.row(r)) + rows.head(r) * dim;
    for_each(dim, [&](auto d, int64_t i) HWY_ATTR {
      store(d, load(d, from + r * ld + i), to + i);
    });
  }
}

// Which keys each row sees, as vectors over rows.
class Mask {
 public:
  Mask(const Rows& rows, const AttentionShape& shape) {
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t last = rows.last_key(std::min(r, rows.count - 1));
      last_[r] = static_cast<int32_t>(last);
      first_[r] = static_cast<int32_t>(first_seen(shape, last));
    }
    all_from_ = first_[rows.count - 1];
    all_to_ = last_[0] + 1;
  }
  bool all(int64_t begin, int64_t end) const {
    return begin >= all_from_ && end <= all_to_;
  }
  // s for rows r… if they see the key, kMasked otherwise.
  HWY_INLINE hn::Vec<Lanes> masked(hn::Vec<Lanes> s, int64_t key,
                                   int64_t r) const {
    const Lanes d;
    const hn::RebindToSigned<Lanes> di;
    const auto k = hn::Set(di, static_cast<int32_t>(key));
    const auto hidden = hn::Or(hn::Gt(k, hn::LoadU(di, last_ + r)),
                               hn::Lt(k, hn::LoadU(di, first_ + r)));
    return hn::IfThenElse(hn::RebindMask(d, hidden), hn::Set(d, kMasked), s);
  }

 private:
  int32_t first_[kRows], last_[kRows];
  int64_t all_from_ = 0, all_to_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#endif
