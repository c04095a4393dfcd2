#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention.h"
#include "kernels/quantize.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_forward.cc"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/row-inl.h"

#include "kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// The softmax of kKeys more scores of rows r…: P ← 2^(s − m), m the largest so
// far, which `most` keeps; what stood in `sums` and `total` is brought to it.
HWY_INLINE void softmax_step(float* scores, int64_t keys, int64_t first_key,
                             int64_t r, const Mask* mask, float softcap,
                             float* most, float* total, float* sums,
                             int64_t dim) {
  const Lanes d;
  const auto before = hn::LoadU(d, most + r);
  auto now = before;
  for (int64_t j = 0; j < keys; ++j) {
    float* score = scores + j * kRows + r;
    auto s = hn::LoadU(d, score);
    if (softcap > 0) s = hn::Mul(soften(s, softcap), hn::Set(d, kLog2E));
    if (mask != nullptr) s = mask->masked(s, first_key + j, r);
    if (softcap > 0 || mask != nullptr) hn::StoreU(s, d, score);
    now = hn::Max(now, s);
  }
  auto sum = hn::LoadU(d, total + r);
  if (!hn::AllTrue(d, hn::Eq(now, before))) {
    const auto shrink = exp2_of(hn::Sub(before, now));
    hn::StoreU(now, d, most + r);
    sum = hn::Mul(sum, shrink);
    for (int64_t i = 0; i < dim; ++i)
      hn::StoreU(hn::Mul(hn::LoadU(d, sums + i * kRows + r), shrink), d,
                 sums + i * kRows + r);
  }
  for (int64_t j = 0; j < keys; ++j) {
    float* score = scores + j * kRows + r;
    const auto p = exp2_of(hn::Sub(hn::LoadU(d, score), now));
    hn::StoreU(p, d, score);
    sum = hn::Add(sum, p);
  }
  hn::StoreU(sum, d, total + r);
}

int64_t rows_scratch(int64_t dim) {
  const int64_t ldd = rounded(dim);
  return 2 * (kRows + kKeys) * ldd + ldd * kRows + (kKeys + 2) * kRows;
}

// Rows of keys or values as f32.
struct Numbers {
  const float* data;
  int64_t ld;
};

// `count` rows from `first` on: where they lie, or unpacked to `scratch`.
Numbers numbers_of(float* scratch, const void* rows, const AttentionSpan& span,
                   int64_t kv_head, int64_t first, int64_t count, int64_t dim) {
  const int64_t begin = kv_head * span.head_stride + first * span.stride;
  const int64_t ld = rounded(dim);
  if (span.dtype == Dtype::f32)
    return {static_cast<const float*>(rows) + begin, span.stride};
  if (span.dtype == Dtype::bf16)
    unpack(scratch, ld, static_cast<const bf16*>(rows) + begin, span.stride,
           count, dim);
  else
    dequantize(
        {scratch, Dtype::f32, count, dim, ld},
        Tensor(const_cast<void*>(rows), span.dtype, count, dim, span.stride)
            .cols_from(begin, dim));
  return {scratch, ld};
}

// A tile that will be read soon; hardware does not see it coming while the one
// before is computed.
HWY_INLINE void prefetch(const void* rows, const AttentionSpan& span,
                         int64_t kv_head, int64_t first, int64_t end,
                         int64_t dim) {
  constexpr int64_t kLine = 64;
  const auto bytes = [&](int64_t numbers) {
    return static_cast<int64_t>(bytes_of(span.dtype, numbers));
  };
  for (int64_t row = first; row < std::min(first + kKeys, end); ++row) {
    const std::byte* const at =
        static_cast<const std::byte*>(rows) +
        bytes(kv_head * span.head_stride + row * span.stride);
    for (int64_t i = 0; i < bytes(dim); i += kLine) __builtin_prefetch(at + i);
  }
}

// Dao, "FlashAttention-2", 2023, algorithm 1, for kRows rows of queries.
template <class T>
void forward_rows(Tensor out, float* lse, Tensor q, const AttentionShape& shape,
                  int64_t kv_head, const Rows& rows, Scratch& scratch) {
  const Lanes d;
  const int64_t dim = shape.head_dim, ldd = rounded(dim);
  const int64_t columns = rows.columns();
  const AttentionSpan& span = rows.span;
  scratch.reset(rows_scratch(dim));
  float* const queries = scratch.take(kRows * ldd);
  float* const queries_t = scratch.take(kRows * ldd);
  float* const key_numbers = scratch.take(kKeys * ldd);
  float* const value_numbers = scratch.take(kKeys * ldd);
  float* const sums = scratch.take(ldd * kRows);
  float* const scores = scratch.take(kKeys * kRows);
  float* const most = scratch.take(kRows);
  float* const total = scratch.take(kRows);
  gather<T>(queries, ldd, q, rows, dim,
            shape.softcap > 0 ? shape.scale : shape.scale * kLog2E);
  transpose(queries_t, kRows, queries, ldd, columns, dim);
  std::fill(sums, sums + dim * kRows, 0.0f);
  std::fill(most, most + kRows, kMasked);
  std::fill(total, total + kRows, 0.0f);

  const Mask mask(rows, shape);
  const int64_t end = rows.end_key();
  for (int64_t begin = first_seen(shape, rows.last_key(0)); begin < end;
       begin += kKeys) {
    const int64_t count = std::min(kKeys, end - begin);
    const bool all = mask.all(begin, begin + count);
    const Numbers k =
        numbers_of(key_numbers, span.key, span, kv_head, begin, count, dim);
    const Numbers v =
        numbers_of(value_numbers, span.value, span, kv_head, begin, count, dim);
    product<false>(d, scores, kRows, k.data, k.ld, 1, queries_t, kRows, count,
                   columns, dim);
    for (int64_t r = 0; r < columns; r += hn::MaxLanes(d))
      softmax_step(scores, count, begin, r, all ? nullptr : &mask,
                   shape.softcap, most, total, sums, dim);
    product<true>(d, sums, kRows, v.data, 1, v.ld, scores, kRows, dim, columns,
                  count);
  }

  for (int64_t r = 0; r < columns; r += hn::MaxLanes(d)) {
    const auto part = hn::Div(hn::Set(d, 1.0f), hn::LoadU(d, total + r));
    for (int64_t i = 0; i < dim; ++i)
      hn::StoreU(hn::Mul(hn::LoadU(d, sums + i * kRows + r), part), d,
                 sums + i * kRows + r);
  }
  transpose(queries, ldd, sums, kRows, dim, columns);
  scatter<T>(out, rows, dim, queries, ldd);
  if (lse == nullptr) return;
  for (int64_t r = 0; r < rows.count; ++r)
    lse[rows.row(r) * shape.num_attention_heads + rows.head(r)] =
        most[r] / kLog2E + std::log(total[r]);
}

// Few queries, the shape of generation: keys are read once for all rows, in
// splits that threads take by themselves (Dao et al., "Flash-Decoding for
// long-context inference", 2023). They begin at multiples of kSplit, and a
// key's score is computed in one way only, so that a row's sums do not depend
// on what else is looked at.
constexpr int64_t kSplit = 512;

// One split's part of the softmax of each row: m, Σ 2^(s − m), and
// Σ 2^(s − m)·v from `kPartHead` numbers on.
constexpr int64_t kPartHead = 16;
inline int64_t part_size(int64_t dim) { return kPartHead + rounded(dim); }

// The sums of neighbours in a, then those in b.
template <class D>
HWY_INLINE hn::Vec<D> pair_sums([[maybe_unused]] D d, hn::Vec<D> a,
                                hn::Vec<D> b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Add(a, b);  // never called: a vector is a number
#else
  return hn::Add(hn::ConcatEven(d, b, a), hn::ConcatOdd(d, b, a));
#endif
}

// scores (kCount rows, ld apart) = queries·keysᵀ for kLanes / kCount keys, of
// which there are `count`.
template <int kCount, class D>
HWY_INLINE void dots(D d, float* scores, int64_t ld, const float* queries,
                     int64_t ldq, Numbers keys, int64_t count, int64_t dim) {
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  constexpr int kWide = kLanes / kCount;
  hn::Vec<D> sum[kLanes];
  for (int i = 0; i < kLanes; ++i) sum[i] = hn::Zero(d);
  for (int64_t i = 0; i < dim; i += kLanes) {
    hn::Vec<D> key[kWide];
    for (int64_t j = 0; j < kWide; ++j)
      key[j] = hn::LoadU(d, keys.data + std::min(j, count - 1) * keys.ld + i);
    for (int r = 0; r < kCount; ++r) {
      const auto x = hn::LoadU(d, queries + r * ldq + i);
      for (int j = 0; j < kWide; ++j)
        sum[r * kWide + j] = hn::MulAdd(x, key[j], sum[r * kWide + j]);
    }
  }
  // Neighbours are added until lane i holds all of sum[i].
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i)
      sum[i] = pair_sums(d, sum[2 * i], sum[2 * i + 1]);
  HWY_ALIGN float results[kLanes];
  hn::Store(sum[0], d, results);
  for (int r = 0; r < kCount; ++r)
    std::copy_n(results + r * kWide, count, scores + r * ld);
}

// scores (rows, kSplit apart) = queries·keysᵀ for `count` keys.
template <class D>
void score_keys(D d, float* scores, const float* queries, int64_t rows,
                Numbers keys, int64_t count, int64_t dim) {
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  const int64_t ldq = rounded(dim);
  int64_t r = 0;
  const auto take = [&](auto number) HWY_ATTR {
    constexpr int kCount = decltype(number)::value;
    constexpr int64_t kWide = kLanes / kCount;
    for (; r + kCount <= rows; r += kCount) {
      float* const line = scores + r * kSplit;
      const float* const query = queries + r * ldq;
      int64_t j = 0;
      for (; j + kWide <= count; j += kWide)
        dots<kCount>(d, line + j, kSplit, query, ldq,
                     {keys.data + j * keys.ld, keys.ld}, kWide, dim);
      if (j < count)
        dots<kCount>(d, line + j, kSplit, query, ldq,
                     {keys.data + j * keys.ld, keys.ld}, count - j, dim);
    }
  };
  if constexpr (kLanes >= 4) take(std::integral_constant<int, 4>());
  if constexpr (kLanes >= 2) take(std::integral_constant<int, 2>());
  take(std::integral_constant<int, 1>());
}

// One row's scores of `count` keys, of which it sees [from, to), become
// 2^(s − m); m and their sum begin its part.
void split_softmax(float* scores, int64_t count, int64_t from, int64_t to,
                   float softcap, float* part) {
  const Lanes d;
  constexpr int64_t kLanes = hn::MaxLanes(Lanes());
  from = std::clamp(from, int64_t{0}, count);
  to = std::clamp(to, from, count);
  if (softcap > 0)
    for (int64_t j = 0; j < count; j += kLanes)
      hn::StoreU(hn::Mul(soften(hn::LoadU(d, scores + j), softcap),
                         hn::Set(d, kLog2E)),
                 d, scores + j);
  std::fill(scores, scores + from, kMasked);
  std::fill(scores + to, scores + rounded(count), kMasked);
  auto most = hn::Set(d, kMasked), total = hn::Zero(d);
  for (int64_t j = 0; j < count; j += kLanes)
    most = hn::Max(most, hn::LoadU(d, scores + j));
  most = hn::MaxOfLanes(d, most);
  for (int64_t j = 0; j < count; j += kLanes) {
    const auto p = exp2_of(hn::Sub(hn::LoadU(d, scores + j), most));
    hn::StoreU(p, d, scores + j);
    total = hn::Add(total, p);
  }
  part[0] = hn::GetLane(most);
  part[1] = hn::GetLane(hn::SumOfLanes(d, total));
}

int64_t split_scratch(int64_t dim) {
  return kRows * (rounded(dim) + kSplit) + kKeys * rounded(dim);
}

template <class T>
void forward_split(float* parts, Tensor q, const AttentionShape& shape,
                   int64_t kv_head, const Rows& rows, int64_t begin,
                   int64_t end, Scratch& scratch) {
  const int64_t dim = shape.head_dim, size = part_size(dim);
  const AttentionSpan& span = rows.span;
  scratch.reset(split_scratch(dim));
  float* const queries = scratch.take(kRows * rounded(dim));
  float* const scores = scratch.take(kRows * kSplit);
  float* const numbers = scratch.take(kKeys * rounded(dim));
  gather<T>(queries, rounded(dim), q, rows, dim,
            shape.softcap > 0 ? shape.scale : shape.scale * kLog2E);
  // Tiles that no row sees are passed over.
  const int64_t seen =
      std::max(begin, first_seen(shape, rows.last_key(0)) / kKeys * kKeys);
  const auto tiles = [&](const void* from, auto&& body) {
    for (int64_t first = seen; first < end; first += kKeys) {
      const int64_t count = std::min(kKeys, end - first);
      prefetch(from, span, kv_head, first + 2 * kKeys, end, dim);
      body(first - begin,
           numbers_of(numbers, from, span, kv_head, first, count, dim), count);
    }
  };
  const auto with_lanes = [&](auto d) {
    tiles(span.key, [&](int64_t at, Numbers keys, int64_t count) {
      score_keys(d, scores + at, queries, rows.count, keys, count, dim);
    });
    for (int64_t r = 0; r < rows.count; ++r)
      split_softmax(scores + r * kSplit, end - begin,
                    first_seen(shape, rows.last_key(r)) - begin,
                    rows.last_key(r) + 1 - begin, shape.softcap,
                    parts + r * size);
    for (int64_t r = 0; r < rows.count; ++r)
      std::fill_n(parts + r * size + kPartHead, dim, 0.0f);
    tiles(span.value, [&](int64_t at, Numbers values, int64_t count) {
      product<true>(d, parts + kPartHead, size, scores + at, kSplit, 1,
                    values.data, values.ld, rows.count, dim, count);
    });
  };
  // head_dim is a multiple of 8 alone, and keys may lie in another's memory.
  if constexpr (hn::MaxLanes(Lanes()) > 8)
    if (dim % 16 != 0) return with_lanes(hn::CappedTag<float, 8>());
  with_lanes(Lanes());
}

// Adds up the parts of all splits.
template <class T>
void finish_rows(Tensor out, float* lse, const AttentionShape& shape,
                 const Rows& rows, float* parts, int64_t splits) {
  const int64_t dim = shape.head_dim, size = part_size(dim);
  for (int64_t r = 0; r < rows.count; ++r) {
    const auto part = [&](int64_t s) {
      return parts + (s * rows.count + r) * size;
    };
    float most = kMasked, total = 0;
    for (int64_t s = 0; s < splits; ++s) most = std::max(most, part(s)[0]);
    for (int64_t s = 0; s < splits; ++s) {
      part(s)[0] = std::exp2(part(s)[0] - most);
      total += part(s)[0] * part(s)[1];
    }
    T* const to = out.row<T>(rows.row(r)) + rows.head(r) * dim;
    for_each(dim, [&](auto d, int64_t i) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (int64_t s = 0; s < splits; ++s)
        sum = hn::MulAdd(load(d, part(s) + kPartHead + i),
                         hn::Set(d, part(s)[0]), sum);
      store(d, hn::Mul(sum, hn::Set(d, 1 / total)), to + i);
    });
    if (lse != nullptr)
      lse[rows.row(r) * shape.num_attention_heads + rows.head(r)] =
          most / kLog2E + std::log(total);
  }
}

// A piece of the work: kRows rows of one key/value head against all their keys,
// or few rows against a split of them.
struct Piece {
  const AttentionSpan* span;
  int64_t kv_head, first_row, rows;
  int64_t first_key = 0, end_key = 0;  // of a split
  int64_t parts = 0;                   // where its parts stand
};

void AttentionForward(Tensor out, float* lse, Tensor q,
                      std::span<const AttentionSpan> spans,
                      const AttentionShape& shape) {
  const int64_t dim = shape.head_dim;
  const int64_t group = shape.num_attention_heads / shape.num_key_value_heads;
  thread_local std::vector<Piece> kept_pieces;
  thread_local Buffer kept_parts;
  std::vector<Piece>& pieces = kept_pieces;
  pieces.clear();
  const auto rows_of = [group](const Piece& piece) {
    return Rows{*piece.span, piece.kv_head * group, group, piece.first_row,
                piece.rows};
  };
  int64_t part_numbers = 0;
  for (const AttentionSpan& span : spans) {
    const int64_t rows = span.query_length * group;
    for (int64_t head = 0; head < shape.num_key_value_heads; ++head) {
      for (int64_t first = 0; first < rows; first += kRows) {
        Piece piece = {&span, head, first, std::min(kRows, rows - first)};
        if (span.query_length > kFewQueries) {
          pieces.push_back(piece);
          continue;
        }
        const Rows these = rows_of(piece);
        const int64_t end = these.end_key();
        for (int64_t key =
                 first_seen(shape, these.last_key(0)) / kSplit * kSplit;
             key < end; key += kSplit) {
          piece.first_key = key;
          piece.end_key = std::min(key + kSplit, end);
          piece.parts = part_numbers;
          pieces.push_back(piece);
          part_numbers += piece.rows * part_size(dim);
        }
      }
    }
  }
  float* const parts = static_cast<float*>(
      kept_parts.at_least(static_cast<size_t>(part_numbers) * sizeof(float)));
  Scratch* const scratch =
      shared_scratch(std::max(rows_scratch(dim), split_scratch(dim)));
  const int64_t count = static_cast<int64_t>(pieces.size());
  with_type(q.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    // The last queries have the most keys: they begin, and the shortest pieces
    // fill what is left.
    parallel_items(count, [&](int64_t item) {
      const Piece& piece = pieces[static_cast<size_t>(count - 1 - item)];
      if (piece.end_key == 0)
        forward_rows<T>(out, lse, q, shape, piece.kv_head, rows_of(piece),
                        scratch[share_index()]);
      else
        forward_split<T>(parts + piece.parts, q, shape, piece.kv_head,
                         rows_of(piece), piece.first_key, piece.end_key,
                         scratch[share_index()]);
    });
    for (size_t i = 0; i < pieces.size();) {
      const Piece& piece = pieces[i];
      size_t next = i + 1;
      while (piece.end_key > 0 && next < pieces.size() &&
             pieces[next].span == piece.span &&
             pieces[next].kv_head == piece.kv_head &&
             pieces[next].first_row == piece.first_row)
        ++next;
      if (piece.end_key > 0)
        finish_rows<T>(out, lse, shape, rows_of(piece), parts + piece.parts,
                       static_cast<int64_t>(next - i));
      i = next;
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(AttentionForward);

void attention_forward(Tensor out, float* lse, Tensor q,
                       std::span<const AttentionSpan> spans,
                       const AttentionShape& shape) {
  HWY_DYNAMIC_DISPATCH(AttentionForward)(out, lse, q, spans, shape);
}

}  // namespace seodang
#endif
