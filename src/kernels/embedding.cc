#include "kernels/embedding.h"

#include "base/threads.h"
#include "kernels/convert.h"

namespace seodang {

void embedding_forward(Tensor out, const int32_t* tokens, Tensor table,
                       float scale) {
  parallel_ranges(out.rows, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      convert_row(out.rows_from(n, 1), table.rows_from(tokens[n], 1));
      if (scale == 1) continue;
      float* row = out.row<float>(n);
      for (int64_t c = 0; c < out.cols; ++c) row[c] *= scale;
    }
  });
}

void embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dout,
                        float scale) {
  // Threads share the columns, so each row of the table is added to in the
  // order of n whatever their number.
  parallel_ranges(dout.cols, [&](int64_t begin, int64_t end) {
    for (int64_t n = 0; n < dout.rows; ++n) {
      float* to = dtable.row<float>(tokens[n]);
      const float* from = dout.row<float>(n);
      for (int64_t c = begin; c < end; ++c) to[c] += scale * from[c];
    }
  });
}

}  // namespace seodang
