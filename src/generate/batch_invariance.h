// How many rows a forward may have so that each has the bits that it has alone.
#pragma once

#include <cstdint>

#include "model/weights.h"

namespace seodang {

// Products with blocks compute each row by itself (kernels/matmul.h), and so do
// those of few rows; oneDNN's of different shapes round differently. 1 where
// nothing is promised: updates of low rank, rows of an adapter's own.
int64_t batch_invariant_rows(const Weights& weights);

}  // namespace seodang
