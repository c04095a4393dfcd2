// VNNI is worth a target of its own here.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#define HWY_WANT_AVX3_DL 1

#include "kernels/quantized_matmul.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "kernels/quantized_rows.h"
#include "tensor/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized_matmul.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

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

// Columns [o, o + count) of row n of y.
HWY_INLINE void put(Tensor y, int64_t n, int64_t o, int64_t count,
                    const float* from, bool add) {
  if (y.dtype == Dtype::f32) {
    float* to = y.row<float>(n) + o;
    for (int64_t c = 0; c < count; ++c) to[c] = add ? to[c] + from[c] : from[c];
  } else {
    bf16* to = y.row<bf16>(n) + o;
    for (int64_t c = 0; c < count; ++c)
      to[c] = bf16(add ? static_cast<float>(to[c]) + from[c] : from[c]);
  }
}

// Memory of each share of the work that the calling thread deals out.
Buffer* shared_scratch(size_t bytes) {
  thread_local std::vector<Buffer> scratch;
  if (scratch.size() < static_cast<size_t>(num_threads()))
    scratch.resize(static_cast<size_t>(num_threads()));
  for (Buffer& share : scratch) share.at_least(bytes);
  return scratch.data();
}

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86

#include "kernels/block_quants-inl.h"
#include "kernels/block_scales-inl.h"

// The kernel computes up to kMostRows rows of y × kCols columns: x's numbers
// four at a time in all lanes, times four of each of kLanes rows of w.
#if HWY_TARGET == HWY_AVX3_DL
#include "kernels/block_quants_512-inl.h"
constexpr int kLanes = 16, kMostRows = 6;
#else
constexpr int kLanes = 8, kMostRows = 4;
#endif
using TagFloats = hn::CappedTag<float, kLanes>;
using TagInts = hn::RebindToSigned<TagFloats>;
using Floats = hn::Vec<TagFloats>;
using Ints = hn::Vec<TagInts>;
constexpr int kVectors = 2, kCols = kLanes * kVectors;
// Numbers of a row of w in a tile, so that it stays in the first cache.
constexpr int64_t kDepth = 512;
constexpr int64_t kGroups = kDepth / 32;

// kCols rows of w, kDepth numbers each.
struct Tile {
  // Of each group eight times: four numbers of each column.
  alignas(64) uint8_t quants[kGroups][8][kCols][4];
  // Of each run, which is a group, or half of one where kHalves is 2.
  alignas(64) float scales[2 * kGroups][kCols];
  alignas(64) float mins[2 * kGroups][kCols];
};

// By how much quants in a tile are larger than they are. VPDPBUSD multiplies
// unsigned by signed bytes.
template <class Block>
constexpr int kStoredOffset =
    HWY_TARGET == HWY_AVX3_DL&& BlockTraits<Block>::kSigned
        ? 128
        : BlockTraits<Block>::kOffset;

// Run kRun of a block as it is stored.
template <int kRun, class Block>
HWY_INLINE __m256i stored_quants(const Block& w) {
  const __m256i numbers = quants<kRun>(w).raw;
  if constexpr (kStoredOffset<Block> != BlockTraits<Block>::kOffset)
    return _mm256_xor_si256(numbers, _mm256_set1_epi8(-128));
  return numbers;
}

// Calls use(std::integral_constant<int, i>) for i in [0, kCount).
template <int kCount, class Use>
HWY_INLINE void unrolled(const Use& use) {
  if constexpr (kCount > 0) {
    unrolled<kCount - 1>(use);
    use(std::integral_constant<int, kCount - 1>());
  }
}

// Where rows [o, o + kPanel) of w stand, from group `g` on; behind the last row
// of w that one again, which is computed and not used.
template <class Block>
struct Panel {
  static constexpr int kRuns = Block::kNumbers / 32;

  HWY_INLINE Panel(Tensor w, int64_t o, int64_t g, int64_t rows_ahead)
      : ahead(w.stride / Block::kNumbers * rows_ahead) {
    for (int c = 0; c < kPanel; ++c)
      blocks[c] = static_cast<const Block*>(
                      w.rows_from(std::min(o + c, w.rows - 1), 1).data) +
                  g / kRuns;
  }
  // Asks for the same of the panel that is read `rows_ahead` rows later.
  HWY_INLINE void next(int count) {
    for (int c = 0; c < kPanel; ++c) {
      const auto* later = reinterpret_cast<const char*>(blocks[c] + ahead);
      for (size_t byte = 0; byte < sizeof(Block) * static_cast<size_t>(count);
           byte += 64)
        __builtin_prefetch(later + byte, 0, 2);
      blocks[c] += count;
    }
  }

  const Block* blocks[kPanel];
  int64_t ahead;
};

#if HWY_TARGET == HWY_AVX3_DL
// Lane k of sums += the products of bytes 4k to 4k+3. Written out, since
// Highway 1.0 turns on AVX-VNNI for this target, and with it GCC takes an
// encoding that not every processor with AVX512-VNNI has.
template <class Vec>
HWY_INLINE void add_products(Vec& sums, Vec stored, Vec x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(stored), "v"(x));
}
#else
// Of each two bytes the sum of products, |w| ≤ 128 and |x| ≤ 127, so that it
// fits int16.
template <class Block>
HWY_INLINE __m256i pair_products(__m256i stored, __m256i x) {
  if constexpr (BlockTraits<Block>::kSigned)
    return _mm256_maddubs_epi16(_mm256_abs_epi8(stored),
                                _mm256_sign_epi8(x, stored));
  return _mm256_maddubs_epi16(stored, x);
}
#endif

// --- Several rows of x.

template <class Block>
void pack(Tile& tile, Tensor w, int64_t o, int64_t begin, int64_t groups) {
  constexpr int kHalves = BlockTraits<Block>::kHalves;
  for (int column = 0; column < kCols; column += kPanel) {
    Panel<Block> panel(w, o + column, begin, kCols);
    for (int64_t g = 0; g < groups; g += panel.kRuns) {
      unpack_scales(tile.scales[g * kHalves] + column,
                    tile.mins[g * kHalves] + column, kCols, panel.blocks);
      unrolled<Panel<Block>::kRuns>([&](auto run) HWY_ATTR {
        __m256i rows[kPanel];
        for (int c = 0; c < kPanel; ++c)
          rows[c] = stored_quants<run>(*panel.blocks[c]);
        transpose(rows);
        for (int step = 0; step < 8; ++step)
          _mm256_store_si256(
              reinterpret_cast<__m256i*>(tile.quants[g + run][step] + column),
              rows[step]);
      });
      panel.next(1);
    }
  }
}

HWY_INLINE Ints four_quants(const int8_t* x) {
  int32_t word;
  std::memcpy(&word, x, 4);
  return hn::Set(TagInts(), word);
}

// sums[r][v] = start[r] + Σ products over kSteps · 4 numbers. `w` is a tile's
// quants where they begin, and so is x.
template <int kRows, class Block, int kSteps>
HWY_INLINE void integer_sums(Ints sums[kRows][kVectors], const int32_t* start,
                             const uint8_t (*w)[kCols][4], const int8_t* x) {
  const auto first_sum = [&](int r) HWY_ATTR {
    return hn::Set(TagInts(), kStoredOffset<Block> == 0 ? 0 : start[r]);
  };
#if HWY_TARGET == HWY_AVX3_DL
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sums[r][v] = first_sum(r);
  for (int step = 0; step < kSteps; ++step) {
    const __m512i w0 = _mm512_load_si512(w[step]);
    const __m512i w1 = _mm512_load_si512(w[step] + kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Ints numbers = four_quants(x + (step * kRows + r) * 4);
      add_products(sums[r][0].raw, w0, numbers.raw);
      add_products(sums[r][1].raw, w1, numbers.raw);
    }
  }
#else
  // Pairs' sums that still fit int16 together: 2 · 127 · the largest number.
  constexpr int kBits = BlockTraits<Block>::kBits;
  constexpr int kMost = kBits == 8 ? 1 : 32767 / (254 * ((1 << kBits) - 1));
  constexpr int kChain = std::min(kSteps, kMost);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int first = 0; first < kSteps; first += kChain) {
    __m256i pairs[kRows][kVectors];
    for (int step = 0; step < kChain; ++step)
      for (int v = 0; v < kVectors; ++v) {
        const __m256i stored = _mm256_load_si256(
            reinterpret_cast<const __m256i*>(w[first + step] + v * kLanes));
        for (int r = 0; r < kRows; ++r) {
          const Ints numbers =
              four_quants(x + ((first + step) * kRows + r) * 4);
          const __m256i products = pair_products<Block>(stored, numbers.raw);
          pairs[r][v] =
              step == 0 ? products : _mm256_add_epi16(pairs[r][v], products);
          // Else GCC puts all products aside and adds them up in the end.
          asm("" : "+x"(pairs[r][v]));
        }
      }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = hn::Add(first == 0 ? first_sum(r) : sums[r][v],
                             Ints{_mm256_madd_epi16(pairs[r][v], ones)});
  }
#endif
}

// y (kRows × kCols) += rows n… of x times `groups` groups of the tile, which
// begin at group `begin` of x's.
template <int kRows, class Block>
HWY_INLINE void multiply_tile(float* y, const Tile& tile,
                              const QuantizedRows& x, int64_t n, int64_t begin,
                              int64_t groups) {
  constexpr int kHalves = BlockTraits<Block>::kHalves;
  constexpr int kSteps = 8 / kHalves;
  const TagFloats d;
  const int64_t first = n * x.cols / 32 + begin * kRows;
  const int8_t* q = x.q + first * 32;
  const float* scale = x.scale + first;
  const int32_t* start = x.start + first * kHalves;
  const float* sum = x.sum + first * kHalves;
  Floats out[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      out[r][v] = hn::Load(d, y + r * kCols + v * kLanes);
  for (int64_t g = 0; g < groups; ++g) {
    for (int half = 0; half < kHalves; ++half) {
      const int64_t run = g * kHalves + half;
      Ints sums[kRows][kVectors];
      integer_sums<kRows, Block, kSteps>(sums, start,
                                         tile.quants[g] + half * kSteps, q);
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v) {
          const Floats scaled =
              hn::Mul(hn::ConvertTo(d, sums[r][v]), hn::Set(d, scale[r]));
          out[r][v] = hn::MulAdd(
              scaled, hn::Load(d, tile.scales[run] + v * kLanes), out[r][v]);
          if constexpr (BlockTraits<Block>::kHasMin)
            out[r][v] = hn::NegMulAdd(hn::Set(d, sum[r]),
                                      hn::Load(d, tile.mins[run] + v * kLanes),
                                      out[r][v]);
        }
      q += kSteps * kRows * 4;
      start += kRows;
      sum += kRows;
    }
    scale += kRows;
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      hn::Store(out[r][v], d, y + r * kCols + v * kLanes);
}

// Columns [begin, end) of y.
template <int kRows, class Block>
void multiply_rows(Tensor y, const QuantizedRows& x, Tensor w, bool add,
                   int64_t begin, int64_t end, Tile& tile, float* sums) {
  const int64_t all_groups = x.cols / 32;
  for (int64_t o = begin; o < end; o += kCols) {
    std::fill_n(sums, x.rows * kCols, 0.0f);
    for (int64_t g = 0; g < all_groups; g += kGroups) {
      const int64_t groups = std::min(kGroups, all_groups - g);
      pack<Block>(tile, w, o, g, groups);
      for (int64_t n = 0; n < x.rows; n += kRows)
        multiply_tile<kRows, Block>(sums + n * kCols, tile, x, n, g, groups);
    }
    const int64_t count = std::min<int64_t>(kCols, end - o);
    for (int64_t n = 0; n < y.rows; ++n)
      put(y, n, o, count, sums + n * kCols, add);
  }
}

// --- One row of x: a number of w is used once, so that it is multiplied where
// it lies and each column's products are added up behind it. Integers have
// no rounding, and what follows is done in the same order, so that a row's
// result is the same bits as among others.

HWY_INLINE __m256i add_lanes_32(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b),
                          _mm256_unpackhi_epi32(a, b));
}
HWY_INLINE __m256i add_lanes_64(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b),
                          _mm256_unpackhi_epi64(a, b));
}
#if HWY_TARGET == HWY_AVX3_DL
HWY_INLINE __m512i add_lanes_32(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b),
                          _mm512_unpackhi_epi32(a, b));
}
HWY_INLINE __m512i add_lanes_64(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b),
                          _mm512_unpackhi_epi64(a, b));
}
#endif
// Of each 128 bits of four vectors: the sums of their four lanes.
template <class Vec>
HWY_INLINE Vec sums_of_lanes(const Vec v[4]) {
  return add_lanes_64(add_lanes_32(v[0], v[1]), add_lanes_32(v[2], v[3]));
}

// Products of 32 numbers, as they are stored, with x's, in lanes of four.
template <class Block>
HWY_INLINE __m256i products_of_32(__m256i stored, const int8_t* x) {
  const __m256i numbers =
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
#if HWY_TARGET == HWY_AVX3_DL
  __m256i sums = _mm256_setzero_si256();
  add_products(sums, stored, numbers);
  return sums;
#else
  return _mm256_madd_epi16(pair_products<Block>(stored, numbers),
                           _mm256_set1_epi16(1));
#endif
}

// A row of x from some group on, and the columns' sums.
template <class Block>
struct RowSums {
  static constexpr int kHalves = BlockTraits<Block>::kHalves;

  const int8_t* q;
  const float *scale, *sum;
  const int32_t* start;
  __m256 out = _mm256_setzero_ps();

  HWY_INLINE explicit RowSums(const QuantizedRows& x)
      : q(x.q), scale(x.scale), sum(x.sum), start(x.start) {}

  // `low` and `high`: each column's sums of numbers 0 to 15 and 16 to 31 of the
  // group; run `run` of the tile has its scales.
  HWY_INLINE void add_group(__m256i low, __m256i high, const Tile& tile,
                            int64_t run) {
    if constexpr (kHalves == 1) {
      add_run(_mm256_add_epi32(low, high), tile, run);
    } else {
      add_run(low, tile, run);
      add_run(high, tile, run + 1);
    }
    ++scale;
  }
  HWY_INLINE void add_run(__m256i sums, const Tile& tile, int64_t run) {
    if constexpr (kStoredOffset<Block> != 0)
      sums = _mm256_add_epi32(sums, _mm256_set1_epi32(*start));
    out = _mm256_fmadd_ps(
        _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(*scale)),
        _mm256_load_ps(tile.scales[run]), out);
    if constexpr (BlockTraits<Block>::kHasMin)
      out = _mm256_fnmadd_ps(_mm256_set1_ps(*sum),
                             _mm256_load_ps(tile.mins[run]), out);
    ++start;
    ++sum;
  }
};

template <int kRun, class Block>
HWY_INLINE void add_32(RowSums<Block>& sums, const Block* const w[kPanel],
                       const Tile& tile) {
  __m256i v[kPanel];
  for (int c = 0; c < kPanel; ++c)
    v[c] = products_of_32<Block>(stored_quants<kRun>(*w[c]), sums.q);
  const __m256i a = sums_of_lanes(v), b = sums_of_lanes(v + 4);
  sums.add_group(_mm256_permute2x128_si256(a, b, 0x20),
                 _mm256_permute2x128_si256(a, b, 0x31), tile,
                 kRun * RowSums<Block>::kHalves);
  sums.q += 32;
}

#if HWY_TARGET == HWY_AVX3_DL
// Two groups.
template <int kPair, class Block>
HWY_INLINE void add_64(RowSums<Block>& sums, const Block* const w[kPanel],
                       const Tile& tile) {
  const __m512i numbers = _mm512_loadu_si512(sums.q);
  __m512i v[kPanel];
  for (int c = 0; c < kPanel; ++c) {
    v[c] = _mm512_setzero_si512();
    add_products(v[c], quants_of_64<kPair>(w[c]), numbers);
  }
  const __m512i a = sums_of_lanes(v), b = sums_of_lanes(v + 4);
  // Lanes of 128 bits, of a and b in turn: the groups' first halves, their
  // second ones.
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
  const __m512i second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  const __m512i low = _mm512_permutex2var_epi64(a, first, b);
  const __m512i high = _mm512_permutex2var_epi64(a, second, b);
  const int run = 2 * kPair * RowSums<Block>::kHalves;
  sums.add_group(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high),
                 tile, run);
  sums.add_group(_mm512_extracti64x4_epi64(low, 1),
                 _mm512_extracti64x4_epi64(high, 1), tile,
                 run + RowSums<Block>::kHalves);
  sums.q += 64;
}
#endif

// Columns [begin, end) of the one row of y.
template <class Block>
void multiply_row(Tensor y, const QuantizedRows& x, Tensor w, bool add,
                  int64_t begin, int64_t end, Tile& tile, float* columns) {
  constexpr int kRuns = Panel<Block>::kRuns;
  for (int64_t o = begin; o < end; o += kPanel) {
    Panel<Block> panel(w, o, 0, kPanel);
    RowSums<Block> sums(x);
    const auto& at = panel.blocks;
    int64_t left = x.cols / 32;
#if HWY_TARGET == HWY_AVX3_DL
    // Two blocks of 32, or one of 256.
    constexpr int kGroupsHere = std::max(kRuns, 2);
    for (; left >= kGroupsHere; left -= kGroupsHere) {
      unpack_scales(tile.scales[0], tile.mins[0], kCols, at);
      if constexpr (kRuns == 1) {
        const Block* second[kPanel];
        for (int c = 0; c < kPanel; ++c) second[c] = at[c] + 1;
        unpack_scales(tile.scales[1], tile.mins[1], kCols, second);
      }
      unrolled<kGroupsHere / 2>([&](auto pair)
                                    HWY_ATTR { add_64<pair>(sums, at, tile); });
      panel.next(kGroupsHere / kRuns);
    }
#endif
    for (; left > 0; left -= kRuns) {
      unpack_scales(tile.scales[0], tile.mins[0], kCols, at);
      unrolled<kRuns>([&](auto run) HWY_ATTR { add_32<run>(sums, at, tile); });
      panel.next(1);
    }
    _mm256_storeu_ps(columns, sums.out);
    put(y, 0, o, std::min<int64_t>(kPanel, end - o), columns, add);
  }
}

// Rows that the kernel takes at a time, so that few are added.
int unit_for(int64_t rows) {
  if (rows <= 2) return static_cast<int>(rows);
  return rows <= 4 || rows == 7 || rows == 8 ? 4 : kMostRows;
}

void MultiplyBlocks(const QuantizedProduct& product) {
  thread_local Buffer memory;
  with_block(product.w.dtype, [&](const auto* null) HWY_ATTR {
    using Block = std::remove_cvref_t<decltype(*null)>;
    const int unit = unit_for(product.x.rows);
    const QuantizedRows x =
        quantize_rows(memory, product.x, unit, 32 / BlockTraits<Block>::kHalves,
                      kStoredOffset<Block>);
    const auto multiply = unit == 1   ? multiply_row<Block>
                          : unit == 2 ? multiply_rows<2, Block>
                          : unit == 4 ? multiply_rows<4, Block>
                                      : multiply_rows<kMostRows, Block>;
    Buffer* const scratch = shared_scratch(
        sizeof(Tile) + static_cast<size_t>(x.rows * kCols) * sizeof(float));
    const Tensor y = product.y, w = product.w;
    parallel_ranges(
        (w.rows + kCols - 1) / kCols, [&](int64_t begin, int64_t end) {
          auto* own = scratch[share_index()].as<std::byte>();
          multiply(y, x, w, product.add, begin * kCols,
                   std::min(w.rows, end * kCols), *reinterpret_cast<Tile*>(own),
                   reinterpret_cast<float*>(own + sizeof(Tile)));
        });
  });
}

#else

// Other processors: the numbers of a row of w, then their products with x as it
// was rounded.
void MultiplyBlocks(const QuantizedProduct& product) {
  thread_local Buffer memory, rounded;
  const Tensor y = product.y, w = product.w;
  const QuantizedRows x = quantize_rows(memory, product.x);
  rounded.at_least(static_cast<size_t>(x.rows * x.cols) * sizeof(float));
  float* const numbers = rounded.as<float>();
  for (int64_t i = 0; i < x.rows * x.cols; ++i)
    numbers[i] = x.scale[i / 32] * x.q[i];
  Buffer* const scratch =
      shared_scratch(static_cast<size_t>(x.cols) * sizeof(float));
  parallel_ranges(w.rows, [&](int64_t begin, int64_t end) {
    float* row = scratch[share_index()].as<float>();
    for (int64_t o = begin; o < end; ++o) {
      dequantize({row, Dtype::f32, 1, x.cols}, w.rows_from(o, 1));
      for (int64_t n = 0; n < y.rows; ++n) {
        const float* of_x = numbers + n * x.cols;
        const float sum = sum_of(x.cols, [&](auto d, int64_t i) HWY_ATTR {
          return hn::Mul(load(d, row + i), load(d, of_x + i));
        });
        put(y, n, o, 1, &sum, product.add);
      }
    }
  });
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(MultiplyBlocks);

void quantized_matmul(Tensor y, Tensor x, Tensor w, bool add) {
  // Rows of x that stay in the second cache while w goes by.
  constexpr int64_t kCachedRows = 512;
  for (int64_t n = 0; n < x.rows; n += kCachedRows) {
    const int64_t count = std::min(kCachedRows, x.rows - n);
    HWY_DYNAMIC_DISPATCH(MultiplyBlocks)
    ({y.rows_from(n, count), x.rows_from(n, count), w, add});
  }
}

}  // namespace seodang
#endif
