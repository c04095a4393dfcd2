// Numbers in memory. A Tensor is a view: a row-major matrix (a vector is one
// row) that somebody else owns; a Buffer owns aligned memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// The upper half of an IEEE-754 binary32, rounded to nearest even.
struct bf16 {
  uint16_t bits = 0;

  bf16() = default;
  explicit bf16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const bool is_nan = (u & 0x7fffffff) > 0x7f800000;
    bits = static_cast<uint16_t>(is_nan ? (u >> 16) | 0x40
                                        : (u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(uint32_t{bits} << 16);
  }
};

// An IEEE-754 binary16, rounded to nearest even.
struct f16 {
  uint16_t bits = 0;

  f16() = default;
  explicit f16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const uint32_t sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
    uint32_t half;
    if (magnitude > 0x7f800000) {  // NaN
      half = 0x7e00;
    } else if (magnitude >= 0x477ff000) {  // 65520 and above round to infinity
      half = 0x7c00;
    } else if (magnitude >= 0x38800000) {  // normal: the exponent is 112 less
      half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    } else {  // a multiple of 2^-24, which is the last place of a number in
              // [1/2, 1)
      half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
             0x3f000000;
    }
    bits = static_cast<uint16_t>(sign | half);
  }
  explicit operator float() const {
    const uint32_t sign = uint32_t{bits} << 16 & 0x80000000;
    const uint32_t magnitude = uint32_t{bits & 0x7fffu} << 13;
    if (magnitude >= 0x0f800000)  // infinity or NaN
      return std::bit_cast<float>(sign | 0x7f800000 | magnitude);
    // 2^112 moves the exponent, and makes subnormal numbers normal.
    return std::bit_cast<float>(
        sign |
        std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
  }
};

// How numbers are stored: one by one, or in blocks of a row that share their
// scales (GGML's formats, see tensor/blocks.h).
enum class Dtype : uint8_t {
  f32,
  bf16,
  f16,
  // Blocks of 32.
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  iq4_nl,
  // Blocks of 256.
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k
};

constexpr bool is_quantized(Dtype dtype) { return dtype > Dtype::f16; }
constexpr bool is_16_bit(Dtype dtype) {
  return dtype == Dtype::bf16 || dtype == Dtype::f16;
}

// Numbers in a block; 1 where each stands alone.
constexpr int64_t block_size(Dtype dtype) {
  if (!is_quantized(dtype)) return 1;
  return dtype < Dtype::q2_k ? 32 : 256;
}
constexpr size_t block_bytes(Dtype dtype) {
  constexpr size_t kBytes[] = {4,  2,  2,  34,  18,  20,  22,
                               24, 18, 84, 110, 144, 176, 210};
  return kBytes[static_cast<size_t>(dtype)];
}
// Of `count` numbers: whole blocks.
constexpr size_t bytes_of(Dtype dtype, int64_t count) {
  return static_cast<size_t>(count / block_size(dtype)) * block_bytes(dtype);
}
// Of one number. Throws std::logic_error for a format in blocks.
constexpr size_t size_of(Dtype dtype) {
  if (is_quantized(dtype)) throw std::logic_error("a block is no number");
  return block_bytes(dtype);
}
// As in Hugging Face's torch_dtype: "float32", "bfloat16", "float16"; or GGML's
// name of a block format: "q8_0", "q4_k".
std::string_view name_of(Dtype dtype);
// As a message shows it: "[2048, 512]".
std::string show_shape(const std::vector<int64_t>& shape);

// A view of rows × cols numbers; row r begins `stride` numbers behind row r-1.
// With a block format, cols and stride are whole blocks.
struct Tensor {
  void* data = nullptr;
  Dtype dtype = Dtype::f32;
  int64_t rows = 0, cols = 0, stride = 0;

  Tensor() = default;
  Tensor(void* where, Dtype type, int64_t r, int64_t c, int64_t row_stride = 0)
      : data(where),
        dtype(type),
        rows(r),
        cols(c),
        stride(row_stride > 0 ? row_stride : c) {}

  explicit operator bool() const { return data != nullptr; }
  int64_t size() const { return rows * cols; }
  bool contiguous() const { return stride == cols || rows <= 1; }

  template <class T>
  T* row(int64_t r) const {
    return static_cast<T*>(data) + r * stride;
  }
  // Views of a part; the memory is shared.
  Tensor rows_from(int64_t begin, int64_t count) const {
    return {at(begin * stride), dtype, count, cols, stride};
  }
  Tensor cols_from(int64_t begin, int64_t count) const {
    return {at(begin), dtype, rows, count, stride};
  }

 private:
  void* at(int64_t offset) const {
    return static_cast<std::byte*>(data) +
           static_cast<int64_t>(bytes_of(dtype, offset));
  }
};

// Memory aligned to 64 bytes (a cache line, an AVX-512 register).
class Buffer {
 public:
  // With Fill::none large memory costs nothing before it is written to.
  enum class Fill : uint8_t { zero, none };

  Buffer() = default;
  explicit Buffer(size_t bytes, Fill fill = Fill::zero);

  size_t bytes() const { return bytes_; }
  void* data() const { return data_.get(); }
  // data(), having room for `bytes`. A buffer that was too small is replaced,
  // and what was in it is lost: for memory that is used again and again.
  void* at_least(size_t bytes) {
    if (bytes_ < bytes) *this = Buffer(bytes);
    return data();
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  std::unique_ptr<void, Free> data_;
  size_t bytes_ = 0;
};

// Sets memory to 0. Whole pages of it are given back to the system, and cost
// nothing before they are written to again.
void clear_pages(void* memory, size_t bytes);

// A Buffer with the shape of what is in it.
class OwnedTensor {
 public:
  OwnedTensor() = default;
  OwnedTensor(Dtype dtype, int64_t rows, int64_t cols)
      : buffer_(bytes_of(dtype, rows * cols)),
        view_(buffer_.data(), dtype, rows, cols) {}

  const Tensor& view() const { return view_; }
  operator const Tensor&() const { return view_; }
  size_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
  Tensor view_;
};

}  // namespace seodang
