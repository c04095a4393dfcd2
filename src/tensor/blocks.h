// GGML's block formats, as they lie in memory and in GGUF files (ggml,
// docs/gguf.md and ggml-common.h; little-endian). Every block is a piece of one
// row. d is the number behind the f16 of that name.
#pragma once

#include <cstring>

#include "tensor/tensor.h"

namespace seodang {

// 32 numbers d·q, q in [-128, 127].
struct BlockQ8_0 {
  static constexpr Dtype kDtype = Dtype::q8_0;
  static constexpr int kNumbers = 32;
  f16 d;
  int8_t q[32];
};

// 32 numbers d·(q - 8), q in [0, 15]: byte i holds numbers i (low half) and
// i + 16.
struct BlockQ4_0 {
  static constexpr Dtype kDtype = Dtype::q4_0;
  static constexpr int kNumbers = 32;
  f16 d;
  uint8_t q[16];
};

// 32 numbers d·q + m, q as in Q4_0.
struct BlockQ4_1 {
  static constexpr Dtype kDtype = Dtype::q4_1;
  static constexpr int kNumbers = 32;
  f16 d, m;
  uint8_t q[16];
};

// 32 numbers d·(q - 16), q in [0, 31]: the low four bits as in Q4_0; bit i of
// `high`, bytes from the lowest on, is the fifth of number i.
struct BlockQ5_0 {
  static constexpr Dtype kDtype = Dtype::q5_0;
  static constexpr int kNumbers = 32;
  f16 d;
  uint8_t high[4];
  uint8_t q[16];
};

// 32 numbers d·q + m, q as in Q5_0.
struct BlockQ5_1 {
  static constexpr Dtype kDtype = Dtype::q5_1;
  static constexpr int kNumbers = 32;
  f16 d, m;
  uint8_t high[4];
  uint8_t q[16];
};

// 32 numbers d·kIq4Nl[q], q as in Q4_0.
struct BlockIQ4NL {
  static constexpr Dtype kDtype = Dtype::iq4_nl;
  static constexpr int kNumbers = 32;
  f16 d;
  uint8_t q[16];
};
inline constexpr int8_t kIq4Nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

// Sixteen groups of 16 numbers (d·scale)·q - (d_min·min), q in [0, 3]: scale
// and min are the low and high halves of a byte of `scales`. Numbers come 128
// at a time, as four runs of 32: run k is bits [2k, 2k+2) of 32 bytes of `q`.
struct BlockQ2K {
  static constexpr Dtype kDtype = Dtype::q2_k;
  static constexpr int kNumbers = 256;
  uint8_t scales[16];
  uint8_t q[64];
  f16 d, d_min;
};

// Sixteen groups of 16 numbers (d·(scale - 32))·(q - 4), q in [0, 7]: the low
// two bits as in Q2_K; bit r of high[i] is the third of number i of run r.
// Scales have 6 bits: the low four of scales 0-7 and 8-15 are the halves of
// bytes 0-7, the upper two of scale i are in byte 8 + i%4, at bit 2·(i/4).
struct BlockQ3K {
  static constexpr Dtype kDtype = Dtype::q3_k;
  static constexpr int kNumbers = 256;
  uint8_t high[32];
  uint8_t q[64];
  uint8_t scales[12];
  f16 d;

  int scale(int i) const {
    return ((scales[i % 8] >> i / 8 * 4 & 15) |
            (scales[8 + i % 4] >> i / 4 * 2 & 3) << 4) -
           32;
  }
};

// Eight groups of 32 numbers (d·scale)·q - (d_min·min), q in [0, 15], scales
// and mins of 6 bits. The q of groups 2k and 2k+1 are the low and high halves
// of bytes [32k, 32k+32).
struct BlockQ4K {
  static constexpr Dtype kDtype = Dtype::q4_k;
  static constexpr int kNumbers = 256;
  f16 d, d_min;
  uint8_t scales[12];
  uint8_t q[128];
};

// As Q4_K with q in [0, 31]: bit g of high[i] is the fifth bit of number i of
// group g.
struct BlockQ5K {
  static constexpr Dtype kDtype = Dtype::q5_k;
  static constexpr int kNumbers = 256;
  f16 d, d_min;
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t q[128];
};

// Sixteen groups of 16 numbers (d·scale)·(q - 32), q in [0, 63], scale in
// [-128, 127]. Numbers come 128 at a time, as four runs of 32: the low four
// bits of runs 0 and 1 are the low halves of 64 bytes of `low`, those of 2 and
// 3 the high halves; two bits of each run are in 32 bytes of `high`.
struct BlockQ6K {
  static constexpr Dtype kDtype = Dtype::q6_k;
  static constexpr int kNumbers = 256;
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  f16 d;
};

static_assert(sizeof(BlockQ8_0) == block_bytes(Dtype::q8_0));
static_assert(sizeof(BlockQ4_0) == block_bytes(Dtype::q4_0));
static_assert(sizeof(BlockQ4_1) == block_bytes(Dtype::q4_1));
static_assert(sizeof(BlockQ5_0) == block_bytes(Dtype::q5_0));
static_assert(sizeof(BlockQ5_1) == block_bytes(Dtype::q5_1));
static_assert(sizeof(BlockIQ4NL) == block_bytes(Dtype::iq4_nl));
static_assert(sizeof(BlockQ2K) == block_bytes(Dtype::q2_k));
static_assert(sizeof(BlockQ3K) == block_bytes(Dtype::q3_k));
static_assert(sizeof(BlockQ4K) == block_bytes(Dtype::q4_k));
static_assert(sizeof(BlockQ5K) == block_bytes(Dtype::q5_k));
static_assert(sizeof(BlockQ6K) == block_bytes(Dtype::q6_k));

// The twelve bytes of Q4_K and Q5_K, apart: the low six bits of bytes 0-3 and
// 4-7 are scales and mins 0-3; bytes 8-11 hold the low halves of scales and
// mins 4-7, whose upper two bits are the upper two of bytes 0-3 and 4-7.
struct GroupScales {
  uint8_t scales[8], mins[8];

  static GroupScales unpack(const uint8_t* packed) {
    // Four bytes at a time: this is done for every block of a product.
    constexpr uint32_t kSix = 0x3f3f3f3f, kFour = 0x0f0f0f0f, kTwo = 0x30303030;
    uint32_t words[3];
    std::memcpy(words, packed, sizeof words);
    const uint32_t scales[2] = {words[0] & kSix,
                                (words[2] & kFour) | (words[0] >> 2 & kTwo)};
    const uint32_t mins[2] = {words[1] & kSix,
                              (words[2] >> 4 & kFour) | (words[1] >> 2 & kTwo)};
    GroupScales out;
    std::memcpy(out.scales, scales, sizeof scales);
    std::memcpy(out.mins, mins, sizeof mins);
    return out;
  }
  void pack(uint8_t* packed) const {
    for (int i = 0; i < 4; ++i) {
      packed[i] = static_cast<uint8_t>(scales[i] | (scales[i + 4] >> 4) << 6);
      packed[i + 4] = static_cast<uint8_t>(mins[i] | (mins[i + 4] >> 4) << 6);
      packed[i + 8] =
          static_cast<uint8_t>((scales[i + 4] & 15) | mins[i + 4] << 4);
    }
  }
};

// Calls body(Block*) with a null pointer of the format's block: the one place
// where a block format becomes a type.
template <class Body>
void with_block(Dtype dtype, Body&& body) {
  switch (dtype) {
    case Dtype::q8_0:
      return body(static_cast<const BlockQ8_0*>(nullptr));
    case Dtype::q4_0:
      return body(static_cast<const BlockQ4_0*>(nullptr));
    case Dtype::q4_1:
      return body(static_cast<const BlockQ4_1*>(nullptr));
    case Dtype::q5_0:
      return body(static_cast<const BlockQ5_0*>(nullptr));
    case Dtype::q5_1:
      return body(static_cast<const BlockQ5_1*>(nullptr));
    case Dtype::iq4_nl:
      return body(static_cast<const BlockIQ4NL*>(nullptr));
    case Dtype::q2_k:
      return body(static_cast<const BlockQ2K*>(nullptr));
    case Dtype::q3_k:
      return body(static_cast<const BlockQ3K*>(nullptr));
    case Dtype::q4_k:
      return body(static_cast<const BlockQ4K*>(nullptr));
    case Dtype::q5_k:
      return body(static_cast<const BlockQ5K*>(nullptr));
    case Dtype::q6_k:
      return body(static_cast<const BlockQ6K*>(nullptr));
    default:
      throw std::logic_error("not a block format");
  }
}

}  // namespace seodang
