// Activations as products with blocks take them: rounded to int8, a scale for
// each 32 numbers.
#pragma once

#include "tensor/tensor.h"

namespace seodang {

// Number i of group g of a row is scale[g]·q[32g + i]. Rows come `unit` at a
// time: of those, one row's next four numbers lie behind the other's, and so do
// their groups' scales and sums; with a unit of 1 a row lies as it is.
struct QuantizedRows {
  int64_t rows = 0, cols = 0;  // rows of zeros included: a multiple of `unit`
  int64_t unit = 1;
  int8_t* q = nullptr;     // (rows/unit, cols/4, unit, 4)
  float* scale = nullptr;  // (rows/unit, cols/32, unit)
  // Of each run of sum_of numbers, which is a group or half of one: Σ q with
  // its scale, for weights that have a minimum, and −offset·Σ q, for weights
  // that are stored `offset` larger than they are.
  int sum_of = 32;
  float* sum = nullptr;      // (rows/unit, cols/sum_of, unit)
  int32_t* start = nullptr;  // (rows/unit, cols/sum_of, unit)
};

// x (N,I) f32 or bf16, I a multiple of 32; rows of zeros fill the last unit.
// What the result points to is in `memory`.
QuantizedRows quantize_rows(Buffer& memory, Tensor x, int64_t unit = 1,
                            int sum_of = 32, int offset = 0);

}  // namespace seodang
