// Some columns of a matrix, by their indices.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace seodang {

// x[:, columns] = values (N, columns); x (N, any), both f32 or both bf16.
void put_columns(Tensor x, std::span<const int32_t> columns, Tensor values);
// values = x[:, columns], which becomes 0.
void take_columns(Tensor values, Tensor x, std::span<const int32_t> columns);

}  // namespace seodang
