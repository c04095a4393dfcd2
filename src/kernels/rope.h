// Rotary position embedding; Su et al., "RoFormer", 2021, eq. 34, in Hugging
// Face's pairing: element i of a head is rotated with element i + head_dim/2 by
// the angle position · inv_freq[i].
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace seodang {

// cos and sin of every angle of the first positions, computed in float64 and
// rounded once.
struct RopeTable {
  RopeTable() = default;
  // `inv_freq` has head_dim/2 entries, the same for all positions.
  RopeTable(const std::vector<double>& inv_freq, int64_t positions);
  // One position more. Some models turn far positions slower and multiply what
  // was turned by `scale` (YaRN's attention factor).
  void append(const std::vector<double>& inv_freq, double scale);

  int64_t positions() const {
    return half > 0 ? static_cast<int64_t>(cosine.size()) / half : 0;
  }
  int64_t half = 0;           // head_dim / 2
  std::vector<float> cosine;  // (positions, half)
  std::vector<float> sine;    // (positions, half)
};

// x (N, heads·head_dim) f32 or bf16, rotated in place; positions (N), each
// below the table's positions().
void rope_forward(Tensor x, const int32_t* positions, const RopeTable& table);
// The transpose of a scaled rotation: as much, but turned back.
void rope_backward(Tensor dx, const int32_t* positions, const RopeTable& table);

}  // namespace seodang
