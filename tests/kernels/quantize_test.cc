// Blocks against llama.cpp's (data/make_blocks.py).
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "formats/json.h"
#include "kernels/check.h"
#include "kernels/convert.h"

namespace seodang {
namespace {

const nlohmann::json& expected() {
  static const nlohmann::json file = read_json(
      std::string(SEODANG_SOURCE_DIR) + "/tests/kernels/data/blocks.json");
  return file;
}

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i < text.size(); i += 2)
    out.push_back(
        static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return out;
}

constexpr Dtype kFormats[] = {Dtype::q8_0, Dtype::q4_0, Dtype::q4_1,
                              Dtype::q5_0, Dtype::q5_1, Dtype::iq4_nl,
                              Dtype::q2_k, Dtype::q3_k, Dtype::q4_k,
                              Dtype::q5_k, Dtype::q6_k};
constexpr Dtype kWritten[] = {Dtype::q8_0, Dtype::q4_0, Dtype::q5_0,
                              Dtype::q4_k, Dtype::q6_k};

TEST(Half, EveryNumberSurvives) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    f16 half;
    half.bits = static_cast<uint16_t>(bits);
    const float value = static_cast<float>(half);
    const int exponent = bits >> 10 & 31;
    const double fraction = bits & 1023;
    const double sign = bits >> 15 != 0 ? -1 : 1;
    if (exponent == 31 && fraction != 0) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(static_cast<float>(f16(value))));
      continue;
    }
    const double exact = exponent == 31 ? HUGE_VAL
                         : exponent == 0
                             ? std::ldexp(fraction, -24)
                             : std::ldexp(1024 + fraction, exponent - 25);
    EXPECT_EQ(double{value}, sign * exact) << bits;
    EXPECT_EQ(f16(value).bits, bits);
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(f16(1.0f + 1.0f / 2048).bits, f16(1.0f).bits);  // a tie, to even
  EXPECT_EQ(f16(1.0f + 3.0f / 2048).bits, f16(1.0f + 2.0f / 1024).bits);
  EXPECT_EQ(f16(1.0f + 1.1f / 2048).bits, f16(1.0f + 1.0f / 1024).bits);
  EXPECT_EQ(f16(65519.0f).bits, f16(65504.0f).bits);
  EXPECT_EQ(f16(65520.0f).bits, 0x7c00);  // infinity
  EXPECT_EQ(f16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(f16(0x1p-25f).bits, 0);  // a tie, to even
  EXPECT_EQ(f16(0x1.8p-25f).bits, 1);
  EXPECT_EQ(f16(0x1.8p-24f).bits, 2);
}

TEST(Quantize, DequantizesBitForBit) {
  for (const Dtype dtype : kFormats) {
    const auto& item = expected()["dequantize"][std::string(name_of(dtype))];
    auto blocks = from_hex(item["blocks"]);
    const auto numbers = from_hex(item["numbers"]);
    const int64_t count = static_cast<int64_t>(numbers.size()) / 4;
    ASSERT_EQ(blocks.size(), bytes_of(dtype, count));
    const OwnedTensor out(Dtype::f32, 1, count), rounded(Dtype::bf16, 1, count);
    convert(out, {blocks.data(), dtype, 1, count});
    EXPECT_EQ(bytes_of(out), std::string(numbers.begin(), numbers.end()))
        << name_of(dtype);
    convert(rounded, {blocks.data(), dtype, 1, count});
    for (int64_t i = 0; i < count; ++i)
      ASSERT_EQ(rounded.view().row<bf16>(0)[i].bits,
                bf16(out.view().row<float>(0)[i]).bits);
  }
}

struct Errors {
  double plain, weighted;
};

Errors errors_of(Tensor x, Tensor y, int64_t group) {
  double squares[2] = {}, total[2] = {};
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t g = 0; g < x.cols; g += group) {
      const float *a = x.row<float>(r) + g, *b = y.row<float>(r) + g;
      double rms = 0;
      for (int64_t i = 0; i < group; ++i) rms += double{a[i]} * a[i];
      rms = std::sqrt(rms / static_cast<double>(group));
      for (int64_t i = 0; i < group; ++i) {
        const double w = rms + std::abs(a[i]), e = double{a[i]} - b[i];
        squares[0] += double{a[i]} * a[i];
        total[0] += e * e;
        squares[1] += w * a[i] * a[i];
        total[1] += w * e * e;
      }
    }
  return {std::sqrt(total[0] / squares[0]), std::sqrt(total[1] / squares[1])};
}

TEST(Quantize, ErrsNoMoreThanLlamaCpp) {
  const auto bytes = from_hex(expected()["quantize"]["numbers"]);
  const auto* halves = reinterpret_cast<const f16*>(bytes.data());
  const OwnedTensor x(Dtype::f32, static_cast<int64_t>(bytes.size()) / 512,
                      256);
  for (int64_t i = 0; i < x.view().size(); ++i)
    x.view().row<float>(0)[i] = static_cast<float>(halves[i]);
  for (const Dtype dtype : kWritten) {
    const std::string name(name_of(dtype));
    const OwnedTensor blocks(dtype, x.view().rows, 256);
    const OwnedTensor y(Dtype::f32, x.view().rows, 256);
    quantize(blocks, x);
    convert(y, blocks);
    const Errors errors = errors_of(x, y, dtype == Dtype::q6_k ? 16 : 32);
    const auto& theirs = expected()["quantize"]["errors"][name];
    // Q8_0 has nothing to search: rounding d first decides in the last digits.
    const double slack = dtype == Dtype::q8_0 ? 1.001 : 1.0;
    EXPECT_LE(errors.weighted, theirs["weighted"].get<double>() * slack)
        << name;
    EXPECT_LE(errors.plain, theirs["plain"].get<double>() * slack) << name;
    std::printf("%s: %.5f, weighted %.5f; llama.cpp %.5f, weighted %.5f\n",
                name.c_str(), errors.plain, errors.weighted,
                theirs["plain"].get<double>(),
                theirs["weighted"].get<double>());
  }
}

TEST(Quantize, SurvivesExtremes) {
  for (const Dtype dtype : kWritten) {
    const OwnedTensor x(Dtype::f32, 1, 256), y(Dtype::f32, 1, 256);
    const OwnedTensor blocks(dtype, 1, 256);
    for (const float value :
         {0.0f, 1e-30f, -1e-7f, 3.0f, 1e30f, HUGE_VALF, std::nanf("")}) {
      for (int i = 0; i < 256; ++i) x.view().row<float>(0)[i] = value;
      quantize(blocks, x);
      convert(y, blocks);
      for (int i = 0; i < 256; ++i) {
        const float got = y.view().row<float>(0)[i];
        ASSERT_TRUE(std::isfinite(got)) << name_of(dtype) << " of " << value;
        if (value < 4) {
          ASSERT_NEAR(got, value, 0.007 * std::abs(value) + 1e-6)
              << name_of(dtype);
        }
      }
    }
  }
}

}  // namespace
}  // namespace seodang
