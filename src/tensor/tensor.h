// Numbers in memory. A Tensor is a view: a row-major matrix (a vector is one
// row) that somebody else owns; a Buffer owns aligned memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

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

enum class Dtype : uint8_t { f32, bf16, f16 };

constexpr size_t size_of(Dtype dtype) { return dtype == Dtype::f32 ? 4 : 2; }
// As in Hugging Face's torch_dtype: "float32", "bfloat16", "float16".
std::string_view name_of(Dtype dtype);

// A view of rows × cols numbers; row r begins `stride` numbers behind row r-1.
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
           offset * static_cast<int64_t>(size_of(dtype));
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

// A Buffer with the shape of what is in it.
class OwnedTensor {
 public:
  OwnedTensor() = default;
  OwnedTensor(Dtype dtype, int64_t rows, int64_t cols)
      : buffer_(static_cast<size_t>(rows * cols) * size_of(dtype)),
        view_(buffer_.data(), dtype, rows, cols) {}

  const Tensor& view() const { return view_; }
  operator const Tensor&() const { return view_; }
  size_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
  Tensor view_;
};

}  // namespace seodang
