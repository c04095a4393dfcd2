// Rotary position embedding; Su et al., "RoFormer", 2021, eq. 34, in Hugging
// Face's pairing: element i of a head is rotated with element i + head_dim/2 by
// the angle position · inv_freq[i].
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace seodang {

// cos and sin of every angle up to max_position, computed in float64 and
// rounded once. `inv_freq` has head_dim/2 entries.
struct RopeTable {
  RopeTable() = default;
  RopeTable(const std::vector<double>& inv_freq, int64_t max_position);
  int64_t half = 0;           // head_dim / 2
  std::vector<float> cosine;  // (max_position, half)
  std::vector<float> sine;    // (max_position, half)
};

// x (N, heads·head_dim) f32 or bf16, rotated in place; positions (N), each
// below the table's max_position.
void rope_forward(Tensor x, const int32_t* positions, const RopeTable& table);
// The transpose of a rotation is the rotation back.
void rope_backward(Tensor dx, const int32_t* positions, const RopeTable& table);

}  // namespace seodang
