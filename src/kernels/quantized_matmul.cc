// VNNI is worth a target of its own here.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#define HWY_WANT_AVX3_DL 1

#include "kernels/quantized_matmul.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "base/threads.h"
#include "kernels/quantized_rows.h"
#include "tensor/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized_matmul.cc"
#include <hwy/foreach_target.h>

#include "kernels/block_numbers-inl.h"

#ifndef SEODANG_QUANTIZED_PRODUCT
#define SEODANG_QUANTIZED_PRODUCT
namespace seodang {
struct QuantizedProduct {
  Tensor y, x, w;
  bool add;
};
}  // namespace seodang
#endif

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86

// The kernel computes kRows rows of y × kCols columns: x's numbers four at a
// time in all lanes, times four of each of kLanes rows of w.
#if HWY_TARGET == HWY_AVX3_DL
constexpr int kLanes = 16, kRows = 6;
using Ints = __m512i;
using Floats = __m512;
#else
constexpr int kLanes = 8, kRows = 4;
using Ints = __m256i;
using Floats = __m256;
#endif
constexpr int kVectors = 2, kCols = kLanes * kVectors;
// Columns that are unpacked together, whatever the target.
constexpr int kPanel = 8;
// Numbers of a row of w in a tile, so that it stays in the first cache.
constexpr int64_t kDepth = 512;
constexpr int64_t kGroups = kDepth / 32;

// kCols rows of w, kDepth numbers each. With kHalves of 2 each half of a group
// has its own scales and mins.
struct Tile {
  // Of each group eight times: four numbers of each column.
  alignas(64) uint8_t numbers[kGroups][8][kCols][4];
  alignas(64) float scales[kGroups][2][kCols];
  alignas(64) float mins[kGroups][2][kCols];
};

#if HWY_TARGET == HWY_AVX3_DL
HWY_INLINE Floats load_floats(const float* from) {
  return _mm512_loadu_ps(from);
}
HWY_INLINE void store_floats(float* to, Floats v) { _mm512_storeu_ps(to, v); }
HWY_INLINE Floats all(float value) { return _mm512_set1_ps(value); }
HWY_INLINE Ints all_ints(int32_t value) { return _mm512_set1_epi32(value); }
HWY_INLINE Floats mul_add(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
HWY_INLINE Floats sub_mul(Floats c, Floats a, Floats b) {
  return _mm512_fnmadd_ps(a, b, c);
}
HWY_INLINE Floats scaled(Ints sums, Floats scale) {
  return _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale);
}
#else
HWY_INLINE Floats load_floats(const float* from) {
  return _mm256_loadu_ps(from);
}
HWY_INLINE void store_floats(float* to, Floats v) { _mm256_storeu_ps(to, v); }
HWY_INLINE Floats all(float value) { return _mm256_set1_ps(value); }
HWY_INLINE Ints all_ints(int32_t value) { return _mm256_set1_epi32(value); }
HWY_INLINE Floats mul_add(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
HWY_INLINE Floats sub_mul(Floats c, Floats a, Floats b) {
  return _mm256_fnmadd_ps(a, b, c);
}
HWY_INLINE Floats scaled(Ints sums, Floats scale) {
  return _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);
}
#endif

HWY_INLINE Ints four_numbers(const int8_t* x) {
  int32_t word;
  std::memcpy(&word, x, 4);
  return all_ints(word);
}

// Whether whole numbers are stored larger than they are, by how much.
template <class Block>
constexpr int kStoredOffset =
    HWY_TARGET == HWY_AVX3_DL && Numbers<Block>::kSigned
        ? 128
        : Numbers<Block>::kOffset;

// sums[r][v] = start[r] + Σ products over kSteps · 4 numbers. `w` is a tile's
// numbers where they begin, and so is x.
template <class Block, int kSteps>
HWY_INLINE void whole_sums(Ints sums[kRows][kVectors], const int32_t* start,
                           const uint8_t (*w)[kCols][4], const int8_t* x) {
  const auto first_sum = [&](int r) HWY_ATTR {
    return all_ints(kStoredOffset<Block> == 0 ? 0 : start[r]);
  };
#if HWY_TARGET == HWY_AVX3_DL
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sums[r][v] = first_sum(r);
  for (int step = 0; step < kSteps; ++step) {
    const Ints w0 = _mm512_load_si512(w[step]);
    const Ints w1 = _mm512_load_si512(w[step] + kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Ints numbers = four_numbers(x + (step * kRows + r) * 4);
      // Written out, as in quantized_matvec.cc.
      asm("vpdpbusd %2, %1, %0" : "+v"(sums[r][0]) : "v"(w0), "v"(numbers));
      asm("vpdpbusd %2, %1, %0" : "+v"(sums[r][1]) : "v"(w1), "v"(numbers));
    }
  }
#else
  // Pairs' sums that still fit int16 together: 2 · 127 · the largest number.
  constexpr int kBits = Numbers<Block>::kBits;
  constexpr int kMost = kBits == 8 ? 1 : 32767 / (254 * ((1 << kBits) - 1));
  constexpr int kChain = std::min(kSteps, kMost);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int first = 0; first < kSteps; first += kChain) {
    __m256i pairs[kRows][kVectors];
#pragma GCC unroll 8
    for (int step = 0; step < kChain; ++step)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const __m256i numbers = _mm256_load_si256(
            reinterpret_cast<const __m256i*>(w[first + step] + v * kLanes));
        const __m256i magnitude =
            Numbers<Block>::kSigned ? _mm256_abs_epi8(numbers) : numbers;
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          __m256i factor = four_numbers(x + ((first + step) * kRows + r) * 4);
          if constexpr (Numbers<Block>::kSigned)
            factor = _mm256_sign_epi8(factor, numbers);
          const __m256i products = _mm256_maddubs_epi16(magnitude, factor);
          pairs[r][v] = step == 0 ? products
                                  : _mm256_add_epi16(pairs[r][v], products);
          // Else GCC puts all products aside and adds them up in the end.
          asm("" : "+x"(pairs[r][v]));
        }
      }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = _mm256_add_epi32(first == 0 ? first_sum(r) : sums[r][v],
                                      _mm256_madd_epi16(pairs[r][v], ones));
  }
#endif
}

// y (kRows × kCols) += rows n… of x times `groups` groups of the tile, which
// begin at group `begin` of x's.
template <class Block>
HWY_INLINE void multiply_rows(float* y, const Tile& tile,
                              const QuantizedRows& x, int64_t n, int64_t begin,
                              int64_t groups) {
  constexpr int kHalves = Numbers<Block>::kHalves;
  const int64_t first = n * x.cols / 32 + begin * kRows;
  const int8_t* q = x.q + first * 32;
  const float* scale = x.scale + first;
  const int32_t* total = x.total + first * kHalves;
  const float* sum = x.sum + first * kHalves;
  Floats out[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      out[r][v] = load_floats(y + r * kCols + v * kLanes);
  for (int64_t g = 0; g < groups; ++g) {
    for (int half = 0; half < kHalves; ++half) {
      constexpr int kSteps = 8 / kHalves;
      Ints sums[kRows][kVectors];
      whole_sums<Block, kSteps>(sums, total, tile.numbers[g] + half * kSteps,
                                q);
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v) {
          out[r][v] = mul_add(
              scaled(sums[r][v], all(scale[r])),
              load_floats(tile.scales[g][half] + v * kLanes), out[r][v]);
          if constexpr (Numbers<Block>::kHasMin)
            out[r][v] =
                sub_mul(out[r][v], all(sum[r]),
                        load_floats(tile.mins[g][half] + v * kLanes));
        }
      q += kSteps * kRows * 4;
      total += kRows;
      sum += kRows;
    }
    scale += kRows;
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      store_floats(y + r * kCols + v * kLanes, out[r][v]);
}

// r[i] lane j = r[j] lane i, lanes of four bytes.
HWY_INLINE void transpose(__m256i r[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      b[4 * i + 2 * j] = _mm256_unpacklo_epi64(a[4 * i + j], a[4 * i + j + 2]);
      b[4 * i + 2 * j + 1] =
          _mm256_unpackhi_epi64(a[4 * i + j], a[4 * i + j + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// Run kRun of one block of each of a panel's rows, to the tile's group `g`.
template <int kRun, class Block>
HWY_INLINE void pack_numbers(Tile& tile, int64_t g, int panel,
                             const Block* const w[kPanel]) {
  __m256i rows[kPanel];
  for (int c = 0; c < kPanel; ++c) {
    rows[c] = whole_numbers<kRun>(*w[c], 0).raw;
    if constexpr (kStoredOffset<Block> != Numbers<Block>::kOffset)
      rows[c] = _mm256_xor_si256(rows[c], _mm256_set1_epi8(-128));
  }
  transpose(rows);
  for (int step = 0; step < 8; ++step)
    _mm256_store_si256(reinterpret_cast<__m256i*>(
                           tile.numbers[g][step] + panel * kPanel),
                       rows[step]);
}

// Scales and mins of a block, whose first group is the tile's group `g`.
template <class Block>
HWY_INLINE void pack_scales(Tile& tile, int64_t g, int column, const Block& w) {
  const auto put = [&](int run, float scale, float min) HWY_ATTR {
    constexpr int kHalves = Numbers<Block>::kHalves;
    tile.scales[g + run / kHalves][run % kHalves][column] = scale;
    if (Numbers<Block>::kHasMin)
      tile.mins[g + run / kHalves][run % kHalves][column] = min;
  };
  const float d = number(w.d);
  if constexpr (Block::kNumbers == 32) {
    if constexpr (Numbers<Block>::kHasMin)
      put(0, d, -number(w.m));
    else
      put(0, d, 0);
  } else if constexpr (Block::kDtype == Dtype::q4_k ||
                       Block::kDtype == Dtype::q5_k) {
    const GroupScales groups = GroupScales::unpack(w.scales);
    const float d_min = number(w.d_min);
    for (int i = 0; i < 8; ++i)
      put(i, d * static_cast<float>(groups.scales[i]),
          d_min * static_cast<float>(groups.mins[i]));
  } else {
    for (int i = 0; i < 16; ++i) {
      if constexpr (Block::kDtype == Dtype::q2_k)
        put(i, d * static_cast<float>(w.scales[i] & 15),
            number(w.d_min) * static_cast<float>(w.scales[i] >> 4));
      else if constexpr (Block::kDtype == Dtype::q3_k)
        put(i, d * static_cast<float>(w.scale(i)), 0);
      else
        put(i, d * static_cast<float>(w.scales[i]), 0);
    }
  }
}

// Rows [row, row + kCols) of w as far as there are any, the others zero;
// numbers from group `begin` on.
template <class Block>
void pack(Tile& tile, Tensor w, int64_t row, int64_t begin, int64_t groups) {
  constexpr int kRuns = Block::kNumbers / 32;
  for (int panel = 0; panel < kCols / kPanel; ++panel) {
    const Block* blocks[kPanel];
    const int64_t first = row + panel * kPanel;
    // The columns behind the last one are computed, and not used.
    for (int c = 0; c < kPanel; ++c)
      blocks[c] = static_cast<const Block*>(
                      w.rows_from(std::min(first + c, w.rows - 1), 1).data) +
                  begin / kRuns;
    for (int64_t g = 0; g < groups; g += kRuns) {
      for (int c = 0; c < kPanel; ++c)
        pack_scales(tile, g, panel * kPanel + c, *blocks[c]);
      pack_numbers<0>(tile, g, panel, blocks);
      if constexpr (kRuns == 8) {
        pack_numbers<1>(tile, g + 1, panel, blocks);
        pack_numbers<2>(tile, g + 2, panel, blocks);
        pack_numbers<3>(tile, g + 3, panel, blocks);
        pack_numbers<4>(tile, g + 4, panel, blocks);
        pack_numbers<5>(tile, g + 5, panel, blocks);
        pack_numbers<6>(tile, g + 6, panel, blocks);
        pack_numbers<7>(tile, g + 7, panel, blocks);
      }
      for (int c = 0; c < kPanel; ++c) ++blocks[c];
    }
  }
}

// Columns [begin, end) of y.
template <class Block>
void multiply_columns(Tensor y, const QuantizedRows& x, Tensor w, bool add,
                      int64_t begin, int64_t end, Tile& tile, float* sums) {
  const int64_t all_groups = x.cols / 32;
  for (int64_t o = begin; o < end; o += kCols) {
    std::fill_n(sums, x.rows * kCols, 0.0f);
    for (int64_t g = 0; g < all_groups; g += kGroups) {
      const int64_t groups = std::min(kGroups, all_groups - g);
      pack<Block>(tile, w, o, g, groups);
      for (int64_t n = 0; n < x.rows; n += kRows)
        multiply_rows<Block>(sums + n * kCols, tile, x, n, g, groups);
    }
    const int64_t count = std::min<int64_t>(kCols, end - o);
    for (int64_t n = 0; n < y.rows; ++n) {
      const float* from = sums + n * kCols;
      if (y.dtype == Dtype::f32) {
        float* to = y.row<float>(n) + o;
        for (int64_t c = 0; c < count; ++c)
          to[c] = add ? to[c] + from[c] : from[c];
      } else {
        bf16* to = y.row<bf16>(n) + o;
        for (int64_t c = 0; c < count; ++c)
          to[c] = bf16(add ? static_cast<float>(to[c]) + from[c] : from[c]);
      }
    }
  }
}

bool HasBlockProducts() { return true; }

void MultiplyBlocks(const QuantizedProduct& product) {
  thread_local Buffer memory;
  thread_local std::vector<Buffer> shares;
  if (shares.size() < static_cast<size_t>(num_threads()))
    shares.resize(static_cast<size_t>(num_threads()));
  Buffer* const scratch = shares.data();
  const Tensor y = product.y, x = product.x, w = product.w;
  with_block(w.dtype, [&](const auto* null) HWY_ATTR {
    using Block = std::remove_cvref_t<decltype(*null)>;
    const QuantizedRows rows =
        quantize_rows(memory, x, kRows, 32 / Numbers<Block>::kHalves);
    if constexpr (kStoredOffset<Block> != 0)
      for (int64_t i = 0; i < rows.rows * rows.cols / rows.sum_of; ++i)
        rows.total[i] *= -kStoredOffset<Block>;
    for (Buffer& share : shares)
      share.at_least(sizeof(Tile) +
                     static_cast<size_t>(rows.rows * kCols) * sizeof(float));
    parallel_ranges((w.rows + kCols - 1) / kCols,
                    [&](int64_t begin, int64_t end) HWY_ATTR {
      auto* own = scratch[share_index()].as<std::byte>();
      multiply_columns<Block>(y, rows, w, product.add, begin * kCols,
                              std::min(w.rows, end * kCols),
                              *reinterpret_cast<Tile*>(own),
                              reinterpret_cast<float*>(own + sizeof(Tile)));
    });
  });
}

#else

bool HasBlockProducts() { return false; }

void MultiplyBlocks(const QuantizedProduct&) {
  throw std::logic_error("no instructions for products with blocks");
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(HasBlockProducts);
HWY_EXPORT(MultiplyBlocks);

void quantized_matmul(Tensor y, Tensor x, Tensor w, bool add) {
  // Rows of x that stay in the second cache while w goes by.
  constexpr int64_t kMostRows = 512;
  for (int64_t n = 0; n < x.rows; n += kMostRows) {
    const int64_t count = std::min(kMostRows, x.rows - n);
    HWY_DYNAMIC_DISPATCH(MultiplyBlocks)
    ({y.rows_from(n, count), x.rows_from(n, count), w, add});
  }
}

bool has_quantized_matmul() { return HWY_DYNAMIC_DISPATCH(HasBlockProducts)(); }

}  // namespace seodang
#endif
