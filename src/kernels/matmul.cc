#include "kernels/matmul.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/convert.h"
#include "kernels/matvec.h"
#include "kernels/quantized_matmul.h"

namespace seodang {
namespace {

using Memory = dnnl::memory;

// Names of instruction sets are sets of bits, so newer ones hold this one.
bool has_isa([[maybe_unused]] dnnl::cpu_isa isa) {
#if defined(__x86_64__)
  const auto least = static_cast<unsigned>(isa);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & least) ==
         least;
#else
  return false;
#endif
}

Memory::data_type dnnl_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return Memory::data_type::f32;
    case Dtype::bf16:
      return Memory::data_type::bf16;
    case Dtype::f16:
      return Memory::data_type::f16;
    default:
      break;
  }
  return Memory::data_type::undef;
}

// An operand: a stored matrix, read as it is or transposed.
struct Operand {
  Tensor tensor;
  bool transposed = false;

  int64_t rows() const { return transposed ? tensor.cols : tensor.rows; }
  int64_t cols() const { return transposed ? tensor.rows : tensor.cols; }
  Operand rows_from(int64_t begin, int64_t count) const {
    return {transposed ? tensor.cols_from(begin, count)
                       : tensor.rows_from(begin, count),
            transposed};
  }
  Operand cols_from(int64_t begin, int64_t count) const {
    return {transposed ? tensor.rows_from(begin, count)
                       : tensor.cols_from(begin, count),
            transposed};
  }
  std::string show() const {
    return fmt::format("{} × {} {}", rows(), cols(), name_of(tensor.dtype));
  }

  Memory::desc desc() const {
    const Memory::dim r = tensor.rows, c = tensor.cols, s = tensor.stride;
    return transposed ? Memory::desc({c, r}, dnnl_type(tensor.dtype), {1, s})
                      : Memory::desc({r, c}, dnnl_type(tensor.dtype), {s, 1});
  }
  uint64_t hash() const {
    uint64_t h = mix_bits(static_cast<uint64_t>(tensor.rows),
                          static_cast<uint64_t>(tensor.cols));
    h = mix_bits(h, static_cast<uint64_t>(tensor.stride));
    return mix_bits(h, static_cast<uint64_t>(tensor.dtype) * 2 + transposed);
  }
};

// A matrix in memory that is used again by the next product of this thread.
class Scratch {
 public:
  Tensor take(Dtype dtype, int64_t rows, int64_t cols) {
    return {buffer_.at_least(bytes_of(dtype, rows * cols)), dtype, rows, cols};
  }
  // The operand in `dtype`: itself, or a copy.
  Operand as(Dtype dtype, const Operand& from) {
    if (from.tensor.dtype == dtype) return from;
    const Tensor to = take(dtype, from.tensor.rows, from.tensor.cols);
    convert(to, from.tensor);
    return {to, from.transposed};
  }

 private:
  Buffer buffer_;
};

struct Product {
  dnnl::matmul primitive;
  Memory a, b, c, scratchpad;
  std::unordered_map<int, Memory> arguments;
};

// Compiled products by shape. Their memory handles change with each call, so
// one thread at a time uses a set.
class Products {
 public:
  Products() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  // Throws Error where oneDNN has no such product.
  void run(const Operand& a, const Operand& b, Tensor c, bool add) try {
    // The work is dealt out already (multiply_stored).
    [[maybe_unused]] thread_local const bool alone =
        (omp_set_num_threads(1), true);
    // oneDNN's fastest way, for AVX-512, writes matrices without gaps only.
    static const bool dense_is_faster = has_isa(dnnl::cpu_isa::avx512_core);
    if (dense_is_faster && !c.contiguous() && c.rows >= kDenseRows) {
      const Tensor dense = dense_.take(c.dtype, c.rows, c.cols);
      if (add) convert_row(dense, c);
      run_dense(a, b, dense, add);
      convert_row(c, dense);
    } else {
      run_dense(a, b, c, add);
    }
  } catch (const dnnl::error& error) {
    throw Error("product of {} and {} to {}: oneDNN: {}", a.show(), b.show(),
                name_of(c.dtype), error.what());
  }

 private:
  // Rows from which on the copy costs less than it gains.
  static constexpr int64_t kDenseRows = 16;

  void run_dense(const Operand& a, const Operand& b, Tensor c, bool add) {
    const uint64_t key = mix_bits(mix_bits(a.hash(), b.hash()),
                                  Operand{c, false}.hash() * 2 + add);
    auto found = products_.find(key);
    if (found == products_.end())
      found = products_.emplace(key, compile(a, b, c, add)).first;
    Product& product = found->second;
    product.a.set_data_handle(a.tensor.data);
    product.b.set_data_handle(b.tensor.data);
    product.c.set_data_handle(c.data);
    product.scratchpad.set_data_handle(scratchpad_.data());
    product.primitive.execute(stream_, product.arguments);
    stream_.wait();
  }

  Product compile(const Operand& a, const Operand& b, Tensor c, bool add) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (add) {
      dnnl::post_ops post;
      post.append_sum(1.0f);
      attributes.set_post_ops(post);
    }
    const dnnl::matmul::primitive_desc desc(
        dnnl::matmul::desc(a.desc(), b.desc(), Operand{c, false}.desc()),
        attributes, engine_);
    Product product;
    product.primitive = dnnl::matmul(desc);
    product.a = Memory(desc.src_desc(), engine_, DNNL_MEMORY_NONE);
    product.b = Memory(desc.weights_desc(), engine_, DNNL_MEMORY_NONE);
    product.c = Memory(desc.dst_desc(), engine_, DNNL_MEMORY_NONE);
    product.scratchpad =
        Memory(desc.scratchpad_desc(), engine_, DNNL_MEMORY_NONE);
    scratchpad_.at_least(desc.scratchpad_desc().get_size());
    product.arguments = {{DNNL_ARG_SRC, product.a},
                         {DNNL_ARG_WEIGHTS, product.b},
                         {DNNL_ARG_DST, product.c},
                         {DNNL_ARG_SCRATCHPAD, product.scratchpad}};
    return product;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  Buffer scratchpad_;
  Scratch dense_;
  std::unordered_map<uint64_t, Product> products_;
};

// Numbers that a share of c's longer side is a multiple of: whole registers of
// the products' inner loops.
constexpr int64_t kShareUnit = 64;
// From so many rows on their shares run at full speed; shares of columns, which
// are not dense in memory, take a slower way through oneDNN.
constexpr int64_t kEnoughRows = 256;
// Operations that take less long than dealing them out.
constexpr int64_t kSmallProduct = 1 << 18;

// Each share of c, rows or columns, is a product of its own, by a thread of
// this program's pool; oneDNN's threads would wait for one another even where
// one of them has lost its core.
void multiply_stored(const Operand& a, const Operand& b, Tensor c, bool add) {
  thread_local std::vector<Products> products;
  if (products.size() < static_cast<size_t>(num_threads()))
    products.resize(static_cast<size_t>(num_threads()));
  if (2 * c.size() * a.cols() < kSmallProduct)
    return products[0].run(a, b, c, add);
  auto* const own = products.data();
  const bool by_rows = c.rows >= std::min<int64_t>(c.cols, kEnoughRows);
  const int64_t length = by_rows ? c.rows : c.cols;
  const int64_t units = (length + kShareUnit - 1) / kShareUnit;
  parallel_ranges(units, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kShareUnit;
    const int64_t count = std::min(length, last * kShareUnit) - begin;
    Products& share = own[share_index()];
    if (by_rows)
      share.run(a.rows_from(begin, count), b, c.rows_from(begin, count), add);
    else
      share.run(a, b.cols_from(begin, count), c.cols_from(begin, count), add);
  });
}

// Numbers of an operand that are converted at a time: 1 MB of bf16, 2 MB of
// f32, which stay in the cache between being written and being read.
constexpr int64_t kTileNumbers = 1 << 19;
// Columns of a tile are whole blocks of any format.
constexpr int64_t kTileUnit = 256;

// c = a·b where operands are not of the dtype that products are computed in, or
// c is not one that they can be written to: `a`, the activations, is converted
// whole, `b` a tile at a time, and so is c. Each number of c is rounded once.
void multiply_in_tiles(const Operand& a, const Operand& b, Tensor c, bool add,
                       Dtype dtype) {
  thread_local Scratch a_numbers, b_tile, c_tile;
  const Operand left = a_numbers.as(dtype, a);
  const int64_t unit = b.transposed ? 32 : kTileUnit;
  const int64_t width = std::max(unit, kTileNumbers / b.rows() / unit * unit);
  for (int64_t begin = 0; begin < c.cols; begin += width) {
    const int64_t count = std::min(width, c.cols - begin);
    const Operand right = b_tile.as(dtype, b.cols_from(begin, count));
    const Tensor to = c.cols_from(begin, count);
    if (c.dtype == Dtype::f32 || c.dtype == dtype) {
      multiply_stored(left, right, to, add);
      continue;
    }
    const Tensor sums = c_tile.take(Dtype::f32, c.rows, count);
    if (add) convert(sums, to);
    multiply_stored(left, right, sums, add);
    convert(to, sums);
  }
}

void multiply(const Operand& a, const Operand& b, Tensor c, bool add) {
  const Dtype dtype =
      a.tensor.dtype == Dtype::bf16 ? fastest_product_dtype() : Dtype::f32;
  if (a.tensor.dtype == dtype && b.tensor.dtype == dtype &&
      (c.dtype == Dtype::f32 || c.dtype == dtype))
    multiply_stored(a, b, c, add);
  else
    multiply_in_tiles(a, b, c, add, dtype);
}

}  // namespace

void linear_forward(Tensor y, Tensor x, Tensor w, bool add) {
  if (is_16_bit(w.dtype) && x.rows <= kMatvecRows) return matvec(y, x, w, add);
  multiply({x}, {w, true}, y, add);
}

void linear_inference(Tensor y, Tensor x, Tensor w, bool add) {
  static const bool has_amx = has_isa(dnnl::cpu_isa::avx512_core_amx);
  const bool tiled = has_amx && x.dtype == Dtype::bf16 && x.rows >= kTiledRows;
  if (is_quantized(w.dtype) && !tiled)
    quantized_matmul(y, x, w, add);
  else if (!is_quantized(w.dtype) && x.rows <= kMatvecRows)
    matvec(y, x, w, add);
  else
    linear_forward(y, x, w, add);
}

void linear_backward_input(Tensor dx, Tensor dy, Tensor w, bool add) {
  multiply({dy}, {w}, dx, add);
}

void linear_backward_weight(Tensor dw, Tensor dy, Tensor x) {
  multiply({dy, true}, {x}, dw, true);
}

Dtype fastest_product_dtype() {
  static const bool native = has_isa(dnnl::cpu_isa::avx512_core_bf16);
  return native ? Dtype::bf16 : Dtype::f32;
}

double measure_product_peak(Dtype dtype) {
  using Clock = std::chrono::steady_clock;
  double peak = 0;
  for (const int64_t width : {512, 1024}) {
    const int64_t rows = (int64_t{1} << 21) / width;
    const OwnedTensor x(dtype, rows, width), w(dtype, width, width),
        y(dtype, rows, width);
    const double flops = 2.0 * static_cast<double>(rows * width * width);
    linear_forward(y, x, w);
    const auto start = Clock::now();
    auto begin = start;
    while (std::chrono::duration<double>(begin - start).count() < 0.1) {
      linear_forward(y, x, w);
      const auto end = Clock::now();
      peak = std::max(
          peak, flops / std::chrono::duration<double>(end - begin).count());
      begin = end;
    }
  }
  return peak;
}

}  // namespace seodang
