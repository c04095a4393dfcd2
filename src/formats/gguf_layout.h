// What reading and writing a GGUF file have in common: numbers of the format
// (ggml, docs/gguf.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "formats/gguf.h"

namespace seodang {

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr uint64_t kGgufAlignment = 32;      // unless the file says
inline constexpr uint64_t kGgufMaxName = 64;        // of a tensor, in bytes

struct GgufTensorType {
  uint32_t code;  // ggml.h, enum ggml_type
  Dtype dtype;
};
inline constexpr std::array<GgufTensorType, 14> kGgufTensorTypes = {
    {{0, Dtype::f32},
     {1, Dtype::f16},
     {2, Dtype::q4_0},
     {3, Dtype::q4_1},
     {6, Dtype::q5_0},
     {7, Dtype::q5_1},
     {8, Dtype::q8_0},
     {10, Dtype::q2_k},
     {11, Dtype::q3_k},
     {12, Dtype::q4_k},
     {13, Dtype::q5_k},
     {14, Dtype::q6_k},
     {20, Dtype::iq4_nl},
     {30, Dtype::bf16}}};

// Bytes of one element in the file; 0 for strings and arrays.
inline size_t gguf_value_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    default:
      return 0;
  }
}

inline uint64_t gguf_rounded_up(uint64_t position, uint64_t alignment) {
  return (position + alignment - 1) / alignment * alignment;
}

}  // namespace seodang
