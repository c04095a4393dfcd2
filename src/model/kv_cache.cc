#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace seodang {

KvCache::KvCache(const ModelConfig& config, int64_t capacity, Dtype dtype)
    : width_(int64_t{config.num_key_value_heads} * config.head_dim),
      capacity_(capacity),
      dtype_(dtype),
      parts_(2 * static_cast<size_t>(config.num_hidden_layers)) {}

int64_t KvCache::bytes(const ModelConfig& config, int64_t tokens, Dtype dtype) {
  return tokens * config.num_hidden_layers * 2 * config.num_key_value_heads *
         config.head_dim * static_cast<int64_t>(size_of(dtype));
}

void KvCache::reserve(int64_t tokens) {
  if (tokens <= room_) return;
  constexpr int64_t kLeast = 256;
  room_ = std::min(capacity_, std::max({tokens, 2 * room_, kLeast}));
  const auto bytes_of_rows = [&](int64_t rows) {
    return static_cast<size_t>(rows * width_) * size_of(dtype_);
  };
  for (Buffer& part : parts_) {  // one by one, so that little is there twice
    Buffer larger(bytes_of_rows(room_), Buffer::Fill::none);
    if (length_ > 0)
      std::memcpy(larger.data(), part.data(), bytes_of_rows(length_));
    part = std::move(larger);
  }
}

}  // namespace seodang
