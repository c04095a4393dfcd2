#include "model/kv_cache.h"

namespace seodang {

KvCache::KvCache(const ModelConfig& config, int64_t capacity, Dtype dtype)
    : width_(int64_t{config.num_key_value_heads} * config.head_dim),
      capacity_(capacity),
      dtype_(dtype),
      memory_(static_cast<size_t>(2 * config.num_hidden_layers * capacity *
                                  width_) *
                  size_of(dtype),
              Buffer::Fill::none) {}

Tensor KvCache::keys(int64_t layer) const {
  std::byte* base = memory_.as<std::byte>();
  const int64_t offset = 2 * layer * capacity_ * width_;
  return {base + offset * static_cast<int64_t>(size_of(dtype_)), dtype_,
          capacity_, width_};
}

Tensor KvCache::values(int64_t layer) const {
  const Tensor k = keys(layer);
  return {
      k.row<std::byte>(0) + k.size() * static_cast<int64_t>(size_of(dtype_)),
      dtype_, capacity_, width_};
}

}  // namespace seodang
