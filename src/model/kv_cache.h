// The keys and values of one sequence, so that a new token looks back without
// computing the past again.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "tensor/tensor.h"

namespace seodang {

class KvCache {
 public:
  // Room for `capacity` tokens: capacity · layers · 2 · kv_heads · head_dim
  // numbers of `dtype`.
  KvCache(const ModelConfig& config, int64_t capacity, Dtype dtype);

  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  // Forgets all but the first `length` tokens.
  void truncate(int64_t length) { length_ = length; }

  // (capacity, kv_heads·head_dim) of one layer. Keys are rotated already.
  Tensor keys(int64_t layer) const;
  Tensor values(int64_t layer) const;

 private:
  int64_t width_, capacity_, length_ = 0;
  Dtype dtype_;
  Buffer memory_;
};

}  // namespace seodang
