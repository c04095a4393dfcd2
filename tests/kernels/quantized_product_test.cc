// Products with blocks against float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/check.h"
#include "kernels/convert.h"
#include "kernels/matmul.h"
#include "kernels/quantize.h"
#include "tensor/blocks.h"

namespace seodang {
namespace {

constexpr Dtype kFormats[] = {Dtype::q8_0, Dtype::q4_0, Dtype::q4_1,
                              Dtype::q5_0, Dtype::q5_1, Dtype::iq4_nl,
                              Dtype::q2_k, Dtype::q3_k, Dtype::q4_k,
                              Dtype::q5_k, Dtype::q6_k};

// Where a block's f16s are.
std::vector<size_t> halves_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::q2_k:
      return {80, 82};
    case Dtype::q3_k:
      return {108};
    case Dtype::q6_k:
      return {208};
    case Dtype::q4_1:
    case Dtype::q5_1:
    case Dtype::q4_k:
    case Dtype::q5_k:
      return {0, 2};
    default:
      return {0};
  }
}

// Any bits are a block; only its f16s are chosen.
OwnedTensor random_blocks(Dtype dtype, int64_t rows, int64_t cols,
                          uint64_t seed) {
  OwnedTensor out(dtype, rows, cols);
  Rng rng(seed);
  auto* bytes = static_cast<uint8_t*>(out.view().data);
  for (size_t i = 0; i < out.bytes(); ++i)
    bytes[i] = static_cast<uint8_t>(rng.below(256));
  for (size_t i = 0; i < out.bytes(); i += block_bytes(dtype)) {
    for (const size_t at : halves_of(dtype)) {
      const f16 half(static_cast<float>(0.01 * rng.normal()));
      std::memcpy(bytes + i + at, &half, 2);
    }
  }
  return out;
}

// x as the kernel rounds it: int8 times a scale for each 32.
Values rounded_groups(const Values& x) {
  Values out(x.size());
  for (size_t g = 0; g < x.size(); g += 32) {
    float largest = 0;
    for (size_t i = 0; i < 32; ++i)
      largest = std::max(largest, std::abs(static_cast<float>(x[g + i])));
    const float inverse = largest > 0 ? 127 / largest : 0;
    for (size_t i = 0; i < 32; ++i)
      out[g + i] = std::nearbyint(static_cast<float>(x[g + i]) * inverse) *
                   double{largest / 127};
  }
  return out;
}

// Σ x·w, and Σ |x·w|, of which rounding errors in f32 are a part.
void product(const Values& x, const Values& w, int64_t n, int64_t o,
             int64_t cols, double& sum, double& magnitude) {
  sum = magnitude = 0;
  for (int64_t i = 0; i < cols; ++i) {
    const double term = x[static_cast<size_t>(n * cols + i)] *
                        w[static_cast<size_t>(o * cols + i)];
    sum += term;
    magnitude += std::abs(term);
  }
}

using Product = void (*)(Tensor y, Tensor x, Tensor w, bool add);

// linear_inference() rounds x, linear_forward() does not, but may round w.
void check(Product multiply, Dtype format, Dtype act, int64_t rows, int64_t out,
           int64_t cols) {
  const OwnedTensor w = random_blocks(format, out, cols, 7);
  const OwnedTensor x = random_tensor(act, rows, cols, 8);
  const OwnedTensor numbers(Dtype::f32, out, cols);
  convert(numbers, w);
  Values xs = values_of(x), ws = values_of(numbers);
  if (multiply == linear_inference)
    xs = rounded_groups(xs);
  else if (act == Dtype::bf16 && fastest_product_dtype() == Dtype::bf16)
    for (double& value : ws)
      value = static_cast<float>(bf16(static_cast<float>(value)));

  const OwnedTensor y = random_tensor(Dtype::f32, rows, out, 9);
  const OwnedTensor before(Dtype::f32, rows, out);
  convert(before, y);
  for (const bool add : {true, false}) {
    convert(y, before);
    multiply(y, x, w, add);
    for (int64_t n = 0; n < rows; ++n)
      for (int64_t o = 0; o < out; o += 1 + o % 3) {
        double sum, magnitude;
        product(xs, ws, n, o, cols, sum, magnitude);
        if (add) sum += value_at(before, n, o);
        // Sums of f32 in some order: at most cols/2 additions of 2^-24 each in
        // the worst case, a few in practice.
        ASSERT_NEAR(value_at(y, n, o), sum, 1e-5 * (magnitude + 1))
            << name_of(format) << " of " << name_of(act) << ", " << rows
            << " rows, [" << n << ", " << o << "]";
      }
  }
}

TEST(QuantizedProduct, FewRows) {
  for (const Dtype format : kFormats)
    for (const Dtype act : {Dtype::f32, Dtype::bf16})
      for (const int64_t rows : {1, 5})
        check(linear_inference, format, act, rows, 37, 768);
}

TEST(QuantizedProduct, ManyRows) {
  for (const Dtype format : kFormats)
    for (const Dtype act : {Dtype::f32, Dtype::bf16})
      check(linear_inference, format, act, 33, 70, 768);
}

TEST(QuantizedProduct, EveryTarget) {
  for_every_target([] {
    for (const Dtype format : kFormats)
      for (const int64_t rows : {3, 9})
        check(linear_inference, format, Dtype::bf16, rows, 9, 512);
  });
}

TEST(QuantizedProduct, BlocksOf32TakeOddWidths) {
  for (const Dtype format : kFormats)
    if (block_size(format) == 32)
      for (const int64_t rows : {2, 12})
        check(linear_inference, format, Dtype::f32, rows, 5, 96);
}

// The numbers that a sum of pairs in 16 bits could not hold.
TEST(QuantizedProduct, LargestNumbers) {
  for_every_target([] {
    for (const Dtype format : kFormats) {
      const int64_t rows = 12, cols = 256;
      const OwnedTensor w = random_blocks(format, 8, cols, 5);
      auto* bytes = static_cast<uint8_t*>(w.view().data);
      for (const uint8_t fill : {0x00, 0x7f, 0x80, 0xff}) {
        for (size_t i = 0; i < w.bytes(); ++i) {
          const size_t at = i % block_bytes(format);
          const auto halves = halves_of(format);
          if (std::none_of(halves.begin(), halves.end(), [&](size_t half) {
                return at == half || at == half + 1;
              }))
            bytes[i] = fill;
        }
        const OwnedTensor numbers(Dtype::f32, 8, cols),
            x(Dtype::f32, rows, cols), y(Dtype::f32, rows, 8);
        convert(numbers, w);
        for (int64_t i = 0; i < x.view().size(); ++i)
          x.view().row<float>(0)[i] = i % cols % 3 == 0 ? -127 : 127;
        linear_inference(y, x, w);
        for (int64_t o = 0; o < 8; ++o) {
          double sum, magnitude;
          product(values_of(x), values_of(numbers), 0, o, cols, sum, magnitude);
          ASSERT_NEAR(value_at(y, rows - 1, o), sum, 1e-5 * (magnitude + 1))
              << name_of(format) << " of " << int{fill};
        }
      }
    }
  });
}

TEST(QuantizedProduct, ARowDoesNotDependOnTheOthers) {
  constexpr int64_t kRows = 61, kColumns = 67;
  for_every_target([] {
    for (const Dtype format : kFormats)
      for (const int64_t cols : {768, 1056}) {
        if (cols % block_size(format) != 0) continue;
        const OwnedTensor w = random_blocks(format, kColumns, cols, 5);
        const OwnedTensor x = random_tensor(Dtype::bf16, kRows, cols, 6);
        const OwnedTensor all(Dtype::f32, kRows, kColumns);
        const OwnedTensor some(Dtype::f32, kRows, kColumns);
        linear_inference(all, x, w);
        for (const int64_t count : {1, 2, 3, 5, 7, 12}) {
          const int64_t first = kRows - count;
          linear_inference(some.view().rows_from(0, count),
                           x.view().rows_from(first, count), w);
          EXPECT_EQ(std::memcmp(
                        all.view().row<float>(first), some.view().row<float>(0),
                        static_cast<size_t>(count * kColumns) * sizeof(float)),
                    0)
              << name_of(format) << ", " << count << " rows";
        }
      }
  });
}

TEST(QuantizedProduct, WithoutRounding) {
  for (const Dtype format : kFormats) {
    check(linear_forward, format, Dtype::f32, 3, 70, 512);
    check(linear_forward, format, Dtype::f32, 33, 70, 512);
  }
  check(linear_forward, Dtype::q4_k, Dtype::bf16, 33, 70, 512);
}

TEST(QuantizedProduct, WithoutRoundingInSeveralTiles) {
  check(linear_forward, Dtype::q4_0, Dtype::f32, 24, 2100, 512);
}

// What rounding x to int8 costs: at most half a step for each number.
TEST(QuantizedProduct, RoundingStaysSmall) {
  const int64_t cols = 1024;
  for (const Dtype format : kFormats) {
    const OwnedTensor w = random_blocks(format, 16, cols, 3);
    const OwnedTensor x = random_tensor(Dtype::f32, 1, cols, 4);
    const OwnedTensor numbers(Dtype::f32, 16, cols), y(Dtype::f32, 1, 16);
    convert(numbers, w);
    linear_inference(y, x, w);
    const Values xs = values_of(x), ws = values_of(numbers);
    for (int64_t o = 0; o < 16; ++o) {
      double sum, magnitude, limit = 0;
      product(xs, ws, 0, o, cols, sum, magnitude);
      for (int64_t g = 0; g < cols; g += 32) {
        double largest = 0, weights = 0;
        for (int64_t i = g; i < g + 32; ++i) {
          largest = std::max(largest, std::abs(xs[static_cast<size_t>(i)]));
          weights += std::abs(ws[static_cast<size_t>(o * cols + i)]);
        }
        limit += largest / 254 * weights;
      }
      ASSERT_NEAR(value_at(y, 0, o), sum, limit + 1e-5 * magnitude)
          << name_of(format);
    }
  }
}

TEST(QuantizedProduct, WritesBf16) {
  const OwnedTensor w = random_blocks(Dtype::q8_0, 9, 64, 1);
  for (const int64_t rows : {2, 12}) {
    const OwnedTensor x = random_tensor(Dtype::bf16, rows, 64, 2);
    const OwnedTensor wide(Dtype::f32, rows, 9), y(Dtype::bf16, rows, 9);
    linear_inference(wide, x, w);
    linear_inference(y, x, w);
    for (int64_t i = 0; i < rows * 9; ++i)
      EXPECT_EQ(y.view().row<bf16>(0)[i].bits,
                bf16(wide.view().row<float>(0)[i]).bits);
  }
}

}  // namespace
}  // namespace seodang
