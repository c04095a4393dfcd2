// VNNI is worth a target of its own here.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#define HWY_WANT_AVX3_DL 1

#include "kernels/quantized_matvec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "kernels/quantized_rows.h"
#include "tensor/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized_matvec.cc"
#include <hwy/foreach_target.h>

#include "kernels/block_numbers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

// Without vectors: the numbers of a block, then their products.
template <int kRows, class Block>
void dot_rows(const Block* w, const QuantizedRows& x, int64_t n,
              float* totals) {
  float numbers[Block::kNumbers];
  std::fill_n(totals, kRows, 0.0f);
  for (int64_t i = 0; i < x.cols; ++i) {
    const int64_t at = i % Block::kNumbers;
    if (at == 0)
      dequantize({numbers, Dtype::f32, 1, Block::kNumbers},
                 {const_cast<Block*>(w + i / Block::kNumbers), Block::kDtype, 1,
                  Block::kNumbers});
    for (int r = 0; r < kRows; ++r)
      totals[r] += numbers[at] * static_cast<float>(x.q[(n + r) * x.cols + i]) *
                   x.scale[((n + r) * x.cols + i) / 32];
  }
}

#else

using TagI32 = hn::RepartitionToWide<hn::RepartitionToWide<TagI8>>;
using TagF32 = hn::RebindToFloat<TagI32>;
using VecI32 = hn::Vec<TagI32>;
using VecF32 = hn::Vec<TagF32>;

// Lane k of the result: the sum of products of bytes 4k to 4k+3 (where vectors
// have 16 bytes: any four). `unsigned_w`: no byte of w is negative. |w| ≤ 128
// and |x| ≤ 127, so that a pair's sum fits int16.
template <bool unsigned_w = false>
HWY_INLINE VecI32 dot(VecI8 w, VecI8 x) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  // x86 multiplies unsigned by signed bytes.
  const __m256i magnitude = unsigned_w ? w.raw : _mm256_abs_epi8(w.raw);
  const __m256i factor = unsigned_w ? x.raw : _mm256_sign_epi8(x.raw, w.raw);
#if HWY_TARGET == HWY_AVX3_DL
  // Written out, since Highway 1.0 turns on AVX-VNNI for this target, and with
  // it GCC takes an encoding that not every processor with AVX512-VNNI has.
  __m256i sums = _mm256_setzero_si256();
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(magnitude), "v"(factor));
  return VecI32{sums};
#else
  return VecI32{_mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, factor),
                                  _mm256_set1_epi16(1))};
#endif
#else
  const hn::Half<TagI8> half;
  const hn::Rebind<int16_t, decltype(half)> d16;
  const TagI32 d32;
  auto rest = hn::Zero(d32);
  auto sum = hn::ReorderWidenMulAccumulate(
      d32, hn::PromoteTo(d16, hn::LowerHalf(half, w)),
      hn::PromoteTo(d16, hn::LowerHalf(half, x)), hn::Zero(d32), rest);
  sum = hn::ReorderWidenMulAccumulate(
      d32, hn::PromoteTo(d16, hn::UpperHalf(half, w)),
      hn::PromoteTo(d16, hn::UpperHalf(half, x)), sum, rest);
  return hn::Add(sum, rest);
#endif
}

HWY_INLINE VecF32 scaled(VecI32 sums, float scale, VecF32 add) {
  const TagF32 d;
  return hn::MulAdd(hn::ConvertTo(d, sums), hn::Set(d, scale), add);
}

// What a block adds to the sum: `a` and `b` take turns, so that additions do
// not wait for one another. q, scale and sum are x's, where the block begins.
struct Accumulators {
  VecF32 a, b;
};

// What is to be taken from each number of a block, its scale included: x86
// multiplies unsigned bytes for less, and Σx is known.
template <class Block>
HWY_INLINE float min_of(const Block& w) {
  if constexpr (Numbers<Block>::kHasMin) return -number(w.m);
  return Numbers<Block>::kOffset * number(w.d);
}

// A block of 32; mins[0] collects min·Σx.
template <class Block>
HWY_INLINE void add_block(const Block& w, const int8_t* q, const float* scale,
                          const float* sum, float* mins, Accumulators& out) {
  constexpr bool kUnsigned = !Numbers<Block>::kSigned;
  const float s = number(w.d) * scale[0];
  for (size_t i = 0; i < 32; i += kByteLanes)
    out.a =
        scaled(dot<kUnsigned>(whole_numbers(w, i), hn::LoadU(TagI8(), q + i)),
               s, out.a);
  std::swap(out.a, out.b);
  if constexpr (kUnsigned) mins[0] += min_of(w) * sum[0];
}

template <int kRun, class Block>
HWY_INLINE void add_group(const Block& w, const int8_t* q, const float* s,
                          Accumulators& out) {
  for (size_t i = 0; i < 32; i += kByteLanes)
    out.a = scaled(dot<true>(whole_numbers<kRun>(w, i),
                             hn::LoadU(TagI8(), q + kRun * 32 + i)),
                   s[kRun], out.a);
  std::swap(out.a, out.b);
}

// Q4_K and Q5_K. mins (8) collects Σ min·Σx a group.
template <class Block>
HWY_INLINE void add_group_block(const Block& w, const int8_t* q,
                                const float* scale, const float* sum,
                                float* mins, Accumulators& out) {
  const GroupScales groups = GroupScales::unpack(w.scales);
  const float dw = number(w.d), d_min = number(w.d_min);
  float s[8];
  for (int g = 0; g < 8; ++g) {
    s[g] = dw * static_cast<float>(groups.scales[g]) * scale[g];
    mins[g] += d_min * static_cast<float>(groups.mins[g]) * sum[g];
  }
  add_group<0>(w, q, s, out);
  add_group<1>(w, q, s, out);
  add_group<2>(w, q, s, out);
  add_group<3>(w, q, s, out);
  add_group<4>(w, q, s, out);
  add_group<5>(w, q, s, out);
  add_group<6>(w, q, s, out);
  add_group<7>(w, q, s, out);
}

HWY_INLINE void add_block(const BlockQ4K& w, const int8_t* q,
                          const float* scale, const float* sum, float* mins,
                          Accumulators& out) {
  add_group_block(w, q, scale, sum, mins, out);
}

HWY_INLINE void add_block(const BlockQ5K& w, const int8_t* q,
                          const float* scale, const float* sum, float* mins,
                          Accumulators& out) {
  add_group_block(w, q, scale, sum, mins, out);
}

// The scales of two groups of 16, each where its sums are in dot()'s result.
HWY_INLINE VecF32 two_scales(const float* s, size_t i) {
  const TagF32 d;
  if constexpr (kByteLanes == 32) {
    const hn::Half<TagF32> half;
    return hn::Combine(d, hn::Set(half, s[1]), hn::Set(half, s[0]));
  } else {
    return hn::Set(d, s[i / 16]);
  }
}

// s and m: of each group of 16 scale and min, x's scale included; m only in
// Q2_K, where Σx of a group is summed here, since x has sums of 32.
template <int kRun, class Block>
HWY_INLINE void add_run(const Block& w, const int8_t* q, const float* s,
                        const float* m, Accumulators& out) {
  constexpr bool kHasMin = Numbers<Block>::kHasMin;
  const TagI8 d;
  const TagF32 df;
  for (size_t i = 0; i < 32; i += kByteLanes) {
    const auto x = hn::LoadU(d, q + kRun * 32 + i);
    auto numbers = whole_numbers<kRun>(w, i);
    if constexpr (Numbers<Block>::kOffset != 0)
      numbers = hn::Sub(numbers, hn::Set(d, Numbers<Block>::kOffset));
    const auto sums = dot<kHasMin>(numbers, x);
    out.a =
        hn::MulAdd(hn::ConvertTo(df, sums), two_scales(s + kRun * 2, i), out.a);
    if constexpr (kHasMin)
      out.b = hn::NegMulAdd(hn::ConvertTo(df, dot<true>(hn::Set(d, 1), x)),
                            two_scales(m + kRun * 2, i), out.b);
  }
  std::swap(out.a, out.b);
}

template <class Block>
HWY_INLINE void add_runs(const Block& w, const int8_t* q, const float* s,
                         const float* m, Accumulators& out) {
  add_run<0>(w, q, s, m, out);
  add_run<1>(w, q, s, m, out);
  add_run<2>(w, q, s, m, out);
  add_run<3>(w, q, s, m, out);
  add_run<4>(w, q, s, m, out);
  add_run<5>(w, q, s, m, out);
  add_run<6>(w, q, s, m, out);
  add_run<7>(w, q, s, m, out);
}

HWY_INLINE void add_block(const BlockQ6K& w, const int8_t* q,
                          const float* scale, const float*, float*,
                          Accumulators& out) {
  const float dw = number(w.d);
  float s[16];
  for (int g = 0; g < 16; ++g)
    s[g] = dw * static_cast<float>(w.scales[g]) * scale[g / 2];
  add_runs(w, q, s, nullptr, out);
}

HWY_INLINE void add_block(const BlockQ3K& w, const int8_t* q,
                          const float* scale, const float*, float*,
                          Accumulators& out) {
  const float dw = number(w.d);
  float s[16];
  for (int g = 0; g < 16; ++g)
    s[g] = dw * static_cast<float>(w.scale(g)) * scale[g / 2];
  add_runs(w, q, s, nullptr, out);
}

HWY_INLINE void add_block(const BlockQ2K& w, const int8_t* q,
                          const float* scale, const float*, float*,
                          Accumulators& out) {
  const float dw = number(w.d), d_min = number(w.d_min);
  float s[16], m[16];
  for (int g = 0; g < 16; ++g) {
    s[g] = dw * static_cast<float>(w.scales[g] & 15) * scale[g / 2];
    m[g] = d_min * static_cast<float>(w.scales[g] >> 4) * scale[g / 2];
  }
  add_runs(w, q, s, m, out);
}

#if HWY_TARGET == HWY_AVX3_DL
#include "kernels/quantized_matvec_512-inl.h"
#endif

// Bytes ahead of those that are read: a page or more, which the processor does
// not fetch by itself.
constexpr int64_t kPrefetchBytes = 4096;
template <class Block>
HWY_INLINE void prefetch(const Block* w, int64_t blocks) {
  const auto* at = reinterpret_cast<const char*>(w) + kPrefetchBytes;
  for (int64_t byte = 0; byte < static_cast<int64_t>(sizeof(Block)) * blocks;
       byte += 64)
    __builtin_prefetch(at + byte);
}

// Products of a row of w with rows n to n + kRows - 1 of x, of which each is
// computed as it would be alone; a block's numbers are unpacked once.
template <int kRows, class Block>
HWY_INLINE void dot_rows(const Block* w, const QuantizedRows& x, int64_t n,
                         float* totals) {
  const TagF32 d;
  constexpr int64_t kGroups = Block::kNumbers / 32;
  const int64_t groups = x.cols / 32;
  const int8_t* q = x.q + n * x.cols;
  const float* scale = x.scale + n * groups;
  const float* sum = x.sum + n * groups;
#if HWY_TARGET == HWY_AVX3_DL
  if constexpr (kHasWide<Block>)
    if (x.cols % 64 == 0) {
      constexpr int64_t kNumbers = kWideBlocks<Block> * Block::kNumbers;
      WideSums sums[kRows];
      for (WideSums& one : sums) one.clear();
      for (int64_t i = 0; i < x.cols; i += kNumbers) {
        prefetch(w, kWideBlocks<Block>);
        for (int r = 0; r < kRows; ++r)
          add_wide(w, q + r * x.cols + i, scale + r * groups + i / 32,
                   sum + r * groups + i / 32, sums[r]);
        w += kWideBlocks<Block>;
      }
      for (int r = 0; r < kRows; ++r) {
        const hn::Full256<float> half;
        totals[r] = _mm512_reduce_add_ps(_mm512_add_ps(sums[r].a, sums[r].b)) -
                    kMinFactor<Block> *
                        hn::GetLane(hn::SumOfLanes(half, VecF32{sums[r].mins}));
      }
      return;
    }
#endif
  Accumulators out[kRows];
  float mins[kRows][8] = {};
  for (Accumulators& one : out) one = {hn::Zero(d), hn::Zero(d)};
  for (int64_t i = 0; i < x.cols / Block::kNumbers; ++i) {
    prefetch(w + i, 1);
    for (int r = 0; r < kRows; ++r)
      add_block(w[i], q + r * x.cols, scale + r * groups, sum + r * groups,
                mins[r], out[r]);
    q += Block::kNumbers;
    scale += kGroups;
    sum += kGroups;
  }
  for (int r = 0; r < kRows; ++r) {
    totals[r] = hn::GetLane(hn::SumOfLanes(d, hn::Add(out[r].a, out[r].b)));
    for (const float min : mins[r]) totals[r] -= min;
  }
}

#endif

// Columns [begin, end) of y.
void MultiplyQuantized(Tensor y, const QuantizedRows& x, Tensor w, bool add,
                       int64_t begin, int64_t end) {
  with_block(w.dtype, [&](const auto* null) HWY_ATTR {
    using Block = std::remove_cvref_t<decltype(*null)>;
    for (int64_t o = begin; o < end; ++o) {
      const auto* row = static_cast<const Block*>(w.rows_from(o, 1).data);
      float totals[4];
      const auto put = [&](int64_t n, int64_t count) {
        for (int64_t r = 0; r < count; ++r) {
          if (y.dtype == Dtype::f32) {
            float& to = y.row<float>(n + r)[o];
            to = add ? to + totals[r] : totals[r];
          } else {
            bf16& to = y.row<bf16>(n + r)[o];
            to = bf16(add ? static_cast<float>(to) + totals[r] : totals[r]);
          }
        }
      };
      int64_t n = 0;
      for (; n + 4 <= x.rows; n += 4) {
        dot_rows<4>(row, x, n, totals);
        put(n, 4);
      }
      for (; n < x.rows; ++n) {
        dot_rows<1>(row, x, n, totals);
        put(n, 1);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(MultiplyQuantized);

void quantized_matvec(Tensor y, Tensor x, Tensor w, bool add) {
  thread_local Buffer memory;
  const QuantizedRows rows = quantize_rows(memory, x);
  parallel_ranges(w.rows, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(MultiplyQuantized)(y, rows, w, add, begin, end);
  });
}

}  // namespace seodang
#endif
