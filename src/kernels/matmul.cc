#include "kernels/matmul.h"

#include <algorithm>
#include <chrono>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/quantized_matmul.h"

namespace seodang {
namespace {

using Memory = dnnl::memory;

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

struct Product {
  dnnl::matmul primitive;
  Memory a, b, c, scratchpad;
  std::unordered_map<int, Memory> arguments;
};

// Compiled products by shape, one set a thread: their memory handles change
// with each call.
class Products {
 public:
  Products() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  void run(const Operand& a, const Operand& b, Tensor c, bool add) {
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

 private:
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
    const size_t need = desc.scratchpad_desc().get_size();
    if (need > scratchpad_.bytes()) scratchpad_ = Buffer(need);
    product.arguments = {{DNNL_ARG_SRC, product.a},
                         {DNNL_ARG_WEIGHTS, product.b},
                         {DNNL_ARG_DST, product.c},
                         {DNNL_ARG_SCRATCHPAD, product.scratchpad}};
    return product;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  Buffer scratchpad_;
  std::unordered_map<uint64_t, Product> products_;
};

void multiply(const Operand& a, const Operand& b, Tensor c, bool add) {
  thread_local Products products;
  products.run(a, b, c, add);
}

}  // namespace

void linear_forward(Tensor y, Tensor x, Tensor w, bool add) {
  if (is_quantized(w.dtype)) return quantized_linear_forward(y, x, w, add);
  multiply({x}, {w, true}, y, add);
}

void linear_backward_input(Tensor dx, Tensor dy, Tensor w, bool add) {
  multiply({dy}, {w}, dx, add);
}

void linear_backward_weight(Tensor dw, Tensor dy, Tensor x) {
  multiply({dy, true}, {x}, dw, true);
}

Dtype fastest_product_dtype() {
#if defined(__x86_64__)
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool native = isa == dnnl::cpu_isa::avx512_core_bf16 ||
                      isa == dnnl::cpu_isa::avx512_core_amx;
  return native ? Dtype::bf16 : Dtype::f32;
#else
  return Dtype::f32;
#endif
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
