// The keys and values of one sequence, so that a new token looks back without
// computing the past again.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace seodang {

class KvCache {
 public:
  // For up to `capacity` tokens. Memory is taken as it is needed. `dtype` is
  // f32, bf16, or q8_0, for which head_dim must be a multiple of 32 (Error).
  KvCache(const ModelConfig& config, int64_t capacity, Dtype dtype);
  // Of `tokens` tokens: tokens · layers · 2 · kv_heads · head_dim numbers of
  // `dtype`.
  static int64_t bytes(const ModelConfig& config, int64_t tokens, Dtype dtype);

  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  // Sets how many tokens are in it: after writing more, or to forget all but
  // the first.
  void truncate(int64_t length) { length_ = length; }
  // Makes room for `tokens`, up to capacity(); what is in it stays.
  void reserve(int64_t tokens);

  // Tokens there is room for.
  int64_t room() const { return room_; }

  // Writes rows of keys, rotated already, and of values (n,
  // kv_heads·head_dim), f32 or bf16, behind the first length() tokens of a
  // layer. There must be room.
  void append(int64_t layer, Tensor keys, Tensor values);
  // (kv_heads·room(), head_dim) of one layer: a head's tokens lie together.
  Tensor keys(int64_t layer) const { return view(2 * layer); }
  Tensor values(int64_t layer) const { return view(2 * layer + 1); }

 private:
  Tensor view(int64_t part) const {
    return {parts_[static_cast<size_t>(part)].data(), dtype_, heads_ * room_,
            head_dim_};
  }

  int64_t heads_, head_dim_, capacity_, room_ = 0, length_ = 0;
  Dtype dtype_;
  std::vector<Buffer> parts_;  // keys and values of each layer
};

}  // namespace seodang
