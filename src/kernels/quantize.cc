#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// --- Blocks to numbers. Plain loops, which the compiler makes into vectors for
// each target; products and sums in the order in which the formats define them.

void unpack(const BlockQ8_0& block, float* y) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const hn::Rebind<int8_t, decltype(d)> d8;
  const auto scale = hn::Set(d, static_cast<float>(block.d));
  for (size_t i = 0; i < 32; i += hn::Lanes(d)) {
    const auto q = hn::PromoteTo(d32, hn::LoadU(d8, block.q + i));
    hn::StoreU(hn::Mul(hn::ConvertTo(d, q), scale), d, y + i);
  }
}

void unpack(const BlockQ4_0& block, float* y) {
  const float d = static_cast<float>(block.d);
  for (int i = 0; i < 16; ++i) {
    y[i] = d * static_cast<float>((block.q[i] & 15) - 8);
    y[i + 16] = d * static_cast<float>((block.q[i] >> 4) - 8);
  }
}

// Bit i of four bytes, as a 16.
HWY_INLINE int fifth_bit(const uint8_t* high, int i) {
  return (high[i / 8] >> i % 8 & 1) * 16;
}

void unpack(const BlockQ4_1& block, float* y) {
  const float d = static_cast<float>(block.d), m = static_cast<float>(block.m);
  for (int i = 0; i < 16; ++i) {
    y[i] = d * static_cast<float>(block.q[i] & 15) + m;
    y[i + 16] = d * static_cast<float>(block.q[i] >> 4) + m;
  }
}

void unpack(const BlockQ5_0& block, float* y) {
  const float d = static_cast<float>(block.d);
  for (int i = 0; i < 16; ++i) {
    const int low = (block.q[i] & 15) | fifth_bit(block.high, i);
    const int high = block.q[i] >> 4 | fifth_bit(block.high, i + 16);
    y[i] = d * static_cast<float>(low - 16);
    y[i + 16] = d * static_cast<float>(high - 16);
  }
}

void unpack(const BlockQ5_1& block, float* y) {
  const float d = static_cast<float>(block.d), m = static_cast<float>(block.m);
  for (int i = 0; i < 16; ++i) {
    const int low = (block.q[i] & 15) | fifth_bit(block.high, i);
    const int high = block.q[i] >> 4 | fifth_bit(block.high, i + 16);
    y[i] = d * static_cast<float>(low) + m;
    y[i + 16] = d * static_cast<float>(high) + m;
  }
}

void unpack(const BlockIQ4NL& block, float* y) {
  const float d = static_cast<float>(block.d);
  for (int i = 0; i < 16; ++i) {
    y[i] = d * static_cast<float>(kIq4Nl[block.q[i] & 15]);
    y[i + 16] = d * static_cast<float>(kIq4Nl[block.q[i] >> 4]);
  }
}

void unpack(const BlockQ2K& block, float* y) {
  const float d = static_cast<float>(block.d);
  const float d_min = static_cast<float>(block.d_min);
  for (int g = 0; g < 16; ++g) {
    const int run = g / 2;
    const uint8_t* q = block.q + run / 4 * 32 + g % 2 * 16;
    const float scale = d * static_cast<float>(block.scales[g] & 15);
    const float min = d_min * static_cast<float>(block.scales[g] >> 4);
    for (int i = 0; i < 16; ++i)
      y[g * 16 + i] = scale * static_cast<float>(q[i] >> run % 4 * 2 & 3) - min;
  }
}

void unpack(const BlockQ3K& block, float* y) {
  const float d = static_cast<float>(block.d);
  for (int g = 0; g < 16; ++g) {
    const int run = g / 2;
    const uint8_t* q = block.q + run / 4 * 32 + g % 2 * 16;
    const uint8_t* high = block.high + g % 2 * 16;
    const float scale = d * static_cast<float>(block.scale(g));
    for (int i = 0; i < 16; ++i)
      y[g * 16 + i] = scale * static_cast<float>(((q[i] >> run % 4 * 2 & 3) |
                                                  (high[i] >> run & 1) << 2) -
                                                 4);
  }
}

void unpack(const BlockQ4K& block, float* y) {
  const float d = static_cast<float>(block.d);
  const float d_min = static_cast<float>(block.d_min);
  const GroupScales groups = GroupScales::unpack(block.scales);
  for (int g = 0; g < 8; ++g) {
    const uint8_t* q = block.q + g / 2 * 32;
    const int shift = g % 2 * 4;
    const float scale = d * static_cast<float>(groups.scales[g]);
    const float min = d_min * static_cast<float>(groups.mins[g]);
    for (int i = 0; i < 32; ++i)
      y[g * 32 + i] = scale * static_cast<float>(q[i] >> shift & 15) - min;
  }
}

void unpack(const BlockQ5K& block, float* y) {
  const float d = static_cast<float>(block.d);
  const float d_min = static_cast<float>(block.d_min);
  const GroupScales groups = GroupScales::unpack(block.scales);
  for (int g = 0; g < 8; ++g) {
    const uint8_t* q = block.q + g / 2 * 32;
    const int shift = g % 2 * 4;
    const float scale = d * static_cast<float>(groups.scales[g]);
    const float min = d_min * static_cast<float>(groups.mins[g]);
    for (int i = 0; i < 32; ++i)
      y[g * 32 + i] =
          scale * static_cast<float>((q[i] >> shift & 15) +
                                     (block.high[i] >> g & 1) * 16) -
          min;
  }
}

void unpack(const BlockQ6K& block, float* y) {
  const float d = static_cast<float>(block.d);
  for (int run = 0; run < 8; ++run) {
    const uint8_t* low = block.low + run / 4 * 64 + run % 2 * 32;
    const uint8_t* high = block.high + run / 4 * 32;
    const int low_shift = run % 4 / 2 * 4, high_shift = run % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      const float scale = d * static_cast<float>(block.scales[run * 2 + half]);
      for (int i = half * 16; i < half * 16 + 16; ++i)
        y[run * 32 + i] =
            scale * static_cast<float>(((low[i] >> low_shift & 15) |
                                        (high[i] >> high_shift & 3) << 4) -
                                       32);
    }
  }
}

void Dequantize(Tensor out, Tensor in) {
  with_block(in.dtype, [&](const auto* null) HWY_ATTR {
    using Block = std::remove_cvref_t<decltype(*null)>;
    constexpr int64_t kNumbers = Block::kNumbers;
    float numbers[kNumbers];
    for (int64_t r = 0; r < in.rows; ++r) {
      const auto* blocks = static_cast<const Block*>(in.rows_from(r, 1).data);
      for (int64_t c = 0; c < in.cols; c += kNumbers, ++blocks) {
        if (out.dtype == Dtype::f32) {
          unpack(*blocks, out.row<float>(r) + c);
          continue;
        }
        unpack(*blocks, numbers);
        for_each(kNumbers, [&](auto d, int64_t i) HWY_ATTR {
          store(d, hn::LoadU(d, numbers + i), out.row<bf16>(r) + c + i);
        });
      }
    }
  });
}

// --- Numbers to blocks.

// A group of N numbers and how much an error in each weighs.
template <int N>
struct Group {
  float x[N], weight[N];
};

template <int N>
HWY_INLINE void weigh(Group<N>& group, const float* x) {
  double squares = 0;
  for (int i = 0; i < N; ++i) {
    group.x[i] = std::isfinite(x[i]) ? x[i] : 0.0f;
    squares += double{group.x[i]} * group.x[i];
  }
  const float rms = static_cast<float>(std::sqrt(squares / N));
  for (int i = 0; i < N; ++i) group.weight[i] = rms + std::abs(group.x[i]);
}

// q = round((x - shift) · inverse), kept in [low, high].
template <class D>
HWY_INLINE hn::Vec<D> nearest(D d, hn::Vec<D> x, float shift, float inverse,
                              float low, float high) {
  const auto q =
      hn::Round(hn::Mul(hn::Sub(x, hn::Set(d, shift)), hn::Set(d, inverse)));
  return hn::Min(hn::Max(q, hn::Set(d, low)), hn::Set(d, high));
}

// Σ w·(x - scale·q - shift)² with the nearest q in [low, high].
template <int N>
HWY_INLINE float error_of(const Group<N>& group, float scale, float shift,
                          float low, float high) {
  const hn::CappedTag<float, 16> d;
  const float inverse = scale != 0 ? 1 / scale : 0;
  auto sum = hn::Zero(d);
  for (size_t i = 0; i < N; i += hn::Lanes(d)) {
    const auto x = hn::LoadU(d, group.x + i);
    const auto q = nearest(d, x, shift, inverse, low, high);
    const auto y = hn::MulAdd(hn::Set(d, scale), q, hn::Set(d, shift));
    const auto e = hn::Sub(x, y);
    sum = hn::MulAdd(hn::LoadU(d, group.weight + i), hn::Mul(e, e), sum);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

struct Sums {
  double q, qq, qx;  // Σ w·q, Σ w·q², Σ w·q·x
};

template <int N>
HWY_INLINE Sums sums_of(const Group<N>& group, float shift, float inverse,
                        float low, float high) {
  const hn::CappedTag<float, 16> d;
  auto sum_q = hn::Zero(d), sum_qq = hn::Zero(d), sum_qx = hn::Zero(d);
  for (size_t i = 0; i < N; i += hn::Lanes(d)) {
    const auto x = hn::LoadU(d, group.x + i);
    const auto q = nearest(d, x, shift, inverse, low, high);
    const auto wq = hn::Mul(hn::LoadU(d, group.weight + i), q);
    sum_q = hn::Add(sum_q, wq);
    sum_qq = hn::MulAdd(wq, q, sum_qq);
    sum_qx = hn::MulAdd(wq, x, sum_qx);
  }
  return {hn::GetLane(hn::SumOfLanes(d, sum_q)),
          hn::GetLane(hn::SumOfLanes(d, sum_qq)),
          hn::GetLane(hn::SumOfLanes(d, sum_qx))};
}

// The scale of x ≈ scale·q, q in [-levels, levels - 1]. The number of largest
// magnitude goes to -levels, or not quite: for each of several roundings the
// best scale is Σwqx / Σwq², which explains (Σwqx)² / Σwq² of Σwx².
template <int N>
HWY_INLINE float fit_scale(const Group<N>& group, float levels) {
  float extreme = 0;
  for (int i = 0; i < N; ++i)
    if (std::abs(group.x[i]) > std::abs(extreme)) extreme = group.x[i];
  if (extreme == 0) return 0;
  double best = 0;
  float scale = 0;
  for (int step = -12; step <= 12; ++step) {
    const float inverse = -(levels + 0.1f * static_cast<float>(step)) / extreme;
    if (!std::isfinite(inverse)) return 0;
    const Sums sums = sums_of(group, 0, inverse, -levels, levels - 1);
    if (sums.qq <= 0) continue;
    const double explained = sums.qx * sums.qx / sums.qq;
    if (explained <= best) continue;
    best = explained;
    scale = static_cast<float>(sums.qx / sums.qq);
  }
  return scale;
}

struct Line {
  float scale, min;  // both at least 0
};

// scale and min of x ≈ scale·q - min, q in [0, levels]: for several roundings
// the best line by least squares.
template <int N>
HWY_INLINE Line fit_line(const Group<N>& group, float levels) {
  double sum_w = 0, sum_x = 0, sum_xx = 0;
  float low = 0, high = group.x[0];
  for (int i = 0; i < N; ++i) {
    const double w = group.weight[i], x = group.x[i];
    sum_w += w;
    sum_x += w * x;
    sum_xx += w * x * x;
    low = std::min(low, group.x[i]);
    high = std::max(high, group.x[i]);
  }
  if (!(high > low)) return {0, -low};
  Line best{(high - low) / levels, -low};
  double least = error_of(group, best.scale, low, 0, levels);
  for (int step = -10; step <= 12; ++step) {
    const float inverse =
        (levels + 0.1f * static_cast<float>(step)) / (high - low);
    if (!std::isfinite(inverse)) continue;
    const Sums sums = sums_of(group, low, inverse, 0, levels);
    const double determinant = sum_w * sums.qq - sums.q * sums.q;
    if (!(determinant > 0)) continue;
    double scale = (sum_w * sums.qx - sum_x * sums.q) / determinant;
    double shift = (sums.qq * sum_x - sums.q * sums.qx) / determinant;
    if (shift > 0) {
      shift = 0;
      scale = sums.qx / sums.qq;
    }
    const double error = sum_xx + scale * scale * sums.qq +
                         shift * shift * sum_w - 2 * scale * sums.qx -
                         2 * shift * sum_x + 2 * scale * shift * sums.q;
    if (scale <= 0 || error >= least) continue;
    least = error;
    best = {static_cast<float>(scale), static_cast<float>(-shift)};
  }
  return best;
}

// As an f16 can hold it.
HWY_INLINE float kept(float value) {
  return static_cast<float>(f16(std::clamp(value, -65504.0f, 65504.0f)));
}

template <int N>
HWY_INLINE void round_to(const Group<N>& group, float scale, float shift,
                         float low, float high, int8_t* q) {
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<int8_t, decltype(d)> d8;
  const hn::RebindToSigned<decltype(d)> d32;
  const float inverse = scale != 0 ? 1 / scale : 0;
  const float finite = std::isfinite(inverse) ? inverse : 0;
  for (size_t i = 0; i < N; i += hn::Lanes(d))
    hn::StoreU(hn::DemoteTo(
                   d8, hn::ConvertTo(d32, nearest(d, hn::LoadU(d, group.x + i),
                                                  shift, finite, low, high))),
               d8, q + i);
}

void pack(BlockQ8_0& block, const float* x) {
  Group<32> group;
  weigh(group, x);
  float largest = 0;
  for (const float value : group.x)
    largest = std::max(largest, std::abs(value));
  const float d = kept(largest / 127);
  block.d = f16(d);
  round_to(group, d, 0, -127, 127, block.q);
}

void pack(BlockQ4_0& block, const float* x) {
  Group<32> group;
  weigh(group, x);
  const float d = kept(fit_scale(group, 8));
  block.d = f16(d);
  int8_t q[32];
  round_to(group, d, 0, -8, 7, q);
  for (int i = 0; i < 16; ++i)
    block.q[i] = static_cast<uint8_t>((q[i] + 8) | (q[i + 16] + 8) << 4);
}

void pack(BlockQ5_0& block, const float* x) {
  Group<32> group;
  weigh(group, x);
  const float d = kept(fit_scale(group, 16));
  block.d = f16(d);
  int8_t q[32];
  round_to(group, d, 0, -16, 15, q);
  uint32_t high = 0;
  for (int i = 0; i < 32; ++i)
    high |= static_cast<uint32_t>((q[i] + 16) >> 4) << i;
  std::memcpy(block.high, &high, sizeof high);
  for (int i = 0; i < 16; ++i)
    block.q[i] =
        static_cast<uint8_t>(((q[i] + 16) & 15) | ((q[i + 16] + 16) & 15) << 4);
}

void pack(BlockQ4K& block, const float* x) {
  Group<32> groups[8];
  Line lines[8];
  float most_scale = 0, most_min = 0;
  for (int g = 0; g < 8; ++g) {
    weigh(groups[g], x + g * 32);
    lines[g] = fit_line(groups[g], 15);
    most_scale = std::max(most_scale, lines[g].scale);
    most_min = std::max(most_min, lines[g].min);
  }
  const float d = kept(most_scale / 63), d_min = kept(most_min / 63);
  block.d = f16(d);
  block.d_min = f16(d_min);
  GroupScales packed;
  int8_t q[256];
  for (int g = 0; g < 8; ++g) {
    // Rounding a scale moves the best min, so their neighbours are tried too.
    const auto in_steps = [](float value, float step) {
      return step > 0
                 ? static_cast<int>(std::lround(std::min(value / step, 63.0f)))
                 : 0;
    };
    const int scale = in_steps(lines[g].scale, d);
    const int min = in_steps(lines[g].min, d_min);
    float least = INFINITY;
    for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, 63); ++s)
      for (int m = std::max(min - 1, 0); m <= std::min(min + 1, 63); ++m) {
        const float error = error_of(groups[g], d * static_cast<float>(s),
                                     -d_min * static_cast<float>(m), 0, 15);
        if (error >= least) continue;
        least = error;
        packed.scales[g] = static_cast<uint8_t>(s);
        packed.mins[g] = static_cast<uint8_t>(m);
      }
    round_to(groups[g], d * static_cast<float>(packed.scales[g]),
             -d_min * static_cast<float>(packed.mins[g]), 0, 15, q + g * 32);
  }
  packed.pack(block.scales);
  for (int k = 0; k < 4; ++k)
    for (int i = 0; i < 32; ++i)
      block.q[k * 32 + i] =
          static_cast<uint8_t>(q[k * 64 + i] | q[k * 64 + 32 + i] << 4);
}

void pack(BlockQ6K& block, const float* x) {
  Group<16> groups[16];
  float scales[16], most = 0;
  for (int g = 0; g < 16; ++g) {
    weigh(groups[g], x + g * 16);
    scales[g] = fit_scale(groups[g], 32);
    if (std::abs(scales[g]) > std::abs(most)) most = scales[g];
  }
  const float d = kept(most / -128);
  block.d = f16(d);
  int8_t q[256];
  for (int g = 0; g < 16; ++g) {
    const int scale = d != 0 ? static_cast<int>(std::lround(
                                   std::clamp(scales[g] / d, -128.0f, 127.0f)))
                             : 0;
    float least = INFINITY;
    block.scales[g] = 0;
    for (int s = std::max(scale - 1, -128); s <= std::min(scale + 1, 127);
         ++s) {
      const float error =
          error_of(groups[g], d * static_cast<float>(s), 0, -32, 31);
      if (error >= least) continue;
      least = error;
      block.scales[g] = static_cast<int8_t>(s);
    }
    round_to(groups[g], d * static_cast<float>(block.scales[g]), 0, -32, 31,
             q + g * 16);
  }
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const auto at = [&](int run) {
        return q[half * 128 + run * 32 + i] + 32;
      };
      block.low[half * 64 + i] =
          static_cast<uint8_t>((at(0) & 15) | (at(2) & 15) << 4);
      block.low[half * 64 + 32 + i] =
          static_cast<uint8_t>((at(1) & 15) | (at(3) & 15) << 4);
      block.high[half * 32 + i] =
          static_cast<uint8_t>(at(0) >> 4 | (at(1) >> 4) << 2 |
                               (at(2) >> 4) << 4 | (at(3) >> 4) << 6);
    }
}

template <class Block>
void pack(Block&, const float*) {
  throw Error("{} is only read; write q8_0, q6_k, q5_0, q4_k or q4_0",
              name_of(Block::kDtype));
}

void Quantize(Tensor out, Tensor in) {
  with_block(out.dtype, [&](const auto* null) HWY_ATTR {
    using Block = std::remove_cvref_t<decltype(*null)>;
    for (int64_t r = 0; r < in.rows; ++r) {
      auto* blocks = static_cast<Block*>(out.rows_from(r, 1).data);
      for (int64_t c = 0; c < in.cols; c += Block::kNumbers)
        pack(*blocks++, in.row<float>(r) + c);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(Dequantize);
HWY_EXPORT(Quantize);

void dequantize(Tensor out, Tensor in) {
  HWY_DYNAMIC_DISPATCH(Dequantize)(out, in);
}

void quantize(Tensor out, Tensor in) {
  if (in.cols % block_size(out.dtype) != 0)
    throw Error("rows of {} numbers are not whole blocks of {}", in.cols,
                name_of(out.dtype));
  parallel_ranges(out.rows, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(Quantize)
    (out.rows_from(begin, end - begin), in.rows_from(begin, end - begin));
  });
}

}  // namespace seodang
#endif
