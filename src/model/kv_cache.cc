#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/convert.h"
#include "kernels/quantize.h"

namespace seodang {
namespace {

void store_rows(Tensor to, Tensor from) {
  if (!is_quantized(to.dtype)) return convert_row(to, from);
  if (from.dtype == Dtype::f32) return quantize(to, from);
  thread_local Buffer memory;
  const Tensor numbers(
      memory.at_least(bytes_of(Dtype::f32, from.rows * from.cols)), Dtype::f32,
      from.rows, from.cols);
  convert_row(numbers, from);
  quantize(to, numbers);
}

}  // namespace

KvCache::KvCache(const ModelConfig& config, int64_t capacity, Dtype dtype)
    : heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      capacity_(capacity),
      dtype_(dtype),
      parts_(2 * static_cast<size_t>(config.num_hidden_layers)) {
  if (dtype == Dtype::q8_0 && head_dim_ % 32 != 0)
    throw Error(
        "a kv_cache in q8_0 has blocks of 32 numbers, and head_dim is {}; "
        "take bf16 or f32",
        head_dim_);
}

int64_t KvCache::bytes(const ModelConfig& config, int64_t tokens, Dtype dtype) {
  return static_cast<int64_t>(
      bytes_of(dtype, tokens * config.num_hidden_layers * 2 *
                          config.num_key_value_heads * config.head_dim));
}

void KvCache::reserve(int64_t tokens) {
  if (tokens <= room_) return;
  constexpr int64_t kLeast = 256;
  const int64_t room =
      std::min(capacity_, std::max({tokens, 2 * room_, kLeast}));
  const auto bytes_of_rows = [&](int64_t rows) {
    return bytes_of(dtype_, rows * head_dim_);
  };
  for (Buffer& part : parts_) {  // one by one, so that little is there twice
    Buffer larger(bytes_of_rows(heads_ * room), Buffer::Fill::none);
    for (int64_t head = 0; head < heads_ && length_ > 0; ++head)
      std::memcpy(larger.as<std::byte>() + bytes_of_rows(head * room),
                  part.as<std::byte>() + bytes_of_rows(head * room_),
                  bytes_of_rows(length_));
    part = std::move(larger);
  }
  room_ = room;
}

void KvCache::append(int64_t layer, Tensor keys, Tensor values) {
  const auto store_head = [&](int64_t head) {
    const auto store = [&](Tensor to, Tensor from) {
      store_rows(to.rows_from(head * room_ + length_, from.rows),
                 from.cols_from(head * head_dim_, head_dim_));
    };
    store(this->keys(layer), keys);
    store(this->values(layer), values);
  };
  if (keys.rows > 1)
    parallel_items(heads_, store_head);
  else  // too little to deal out
    for (int64_t head = 0; head < heads_; ++head) store_head(head);
}

}  // namespace seodang
