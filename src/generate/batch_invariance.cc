#include "generate/batch_invariance.h"

#include <algorithm>
#include <initializer_list>

#include "kernels/matmul.h"
#include "kernels/matvec.h"
#include "model/lora.h"

namespace seodang {

int64_t batch_invariant_rows(const Weights& weights) {
  const auto in_blocks = [](std::initializer_list<Tensor> matrices) {
    return std::ranges::all_of(
        matrices, [](Tensor matrix) { return is_quantized(matrix.dtype); });
  };
  if (largest_rank(weights) > 0 || !weights.lm_head_rows.empty()) return 1;
  const bool all_in_blocks =
      in_blocks({weights.lm_head}) &&
      std::ranges::all_of(weights.layers, [&](const LayerWeights& w) {
        return in_blocks({w.q_proj, w.k_proj, w.v_proj, w.o_proj, w.gate_proj,
                          w.up_proj, w.down_proj});
      });
  return all_in_blocks ? kTiledRows - 1 : kMatvecRows;
}

}  // namespace seodang
