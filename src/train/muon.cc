#include "train/muon.h"

#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "kernels/adamw.h"
#include "kernels/convert.h"
#include "kernels/matmul.h"

namespace seodang {
namespace {

template <class Each>
void for_each_number(int64_t count, Each&& each) {
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) each(i);
  });
}

}  // namespace

void Muon::orthogonalize(Tensor x) {
  constexpr int kSteps = 5;
  constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f, kEps = 1e-7f;
  const int64_t rows = x.rows, cols = x.cols, side = std::min(rows, cols);
  float* const at = x.row<float>(0);
  const auto norm = static_cast<float>(std::sqrt(sum_of_squares(at, x.size())));
  const float scale = 1 / std::max(norm, kEps);
  for_each_number(x.size(), [&](int64_t i) { at[i] *= scale; });

  // The polynomial is taken of the smaller of XXᵀ and XᵀX: the same X comes of
  // either.
  const auto in = [](Buffer& buffer, Dtype dtype, int64_t r, int64_t c) {
    return Tensor(buffer.at_least(bytes_of(dtype, r * c)), dtype, r, c);
  };
  const Tensor factor = in(factor_, dtype_, rows, cols);
  const Tensor gram = in(gram_, dtype_, side, side);
  const Tensor polynomial = in(polynomial_, dtype_, side, side);
  const Tensor sums = in(sums_, Dtype::f32, side, side);
  const Tensor squares = in(squares_, Dtype::f32, side, side);
  float* const a = sums.row<float>(0);
  const float* const a2 = squares.row<float>(0);
  for (int step = 0; step < kSteps; ++step) {
    convert(factor, x);
    if (rows <= cols) {
      linear_forward(sums, factor, factor);
    } else {
      std::fill(a, a + side * side, 0.0f);
      linear_backward_weight(sums, factor, factor);
    }
    convert(gram, sums);
    linear_forward(squares, gram, gram);  // symmetric, so A·Aᵀ is A²
    for_each_number(side * side,
                    [&](int64_t i) { a[i] = kB * a[i] + kC * a2[i]; });
    convert(polynomial, sums);
    for_each_number(x.size(), [&](int64_t i) { at[i] *= kA; });
    if (rows <= cols)
      linear_backward_input(x, polynomial, factor, /*add=*/true);
    else
      linear_forward(x, factor, polynomial, /*add=*/true);
  }
}

void Muon::step(Tensor weight, Tensor weight_bf16, Tensor momentum, Tensor grad,
                const MuonOptions& o) {
  float *const w = weight.row<float>(0), *const m = momentum.row<float>(0),
               *const g = grad.row<float>(0);
  for_each_number(weight.size(), [&](int64_t i) {
    const float fresh = (1 - o.momentum) * o.grad_scale * g[i];
    m[i] = o.momentum * m[i] + fresh;
    g[i] = fresh + o.momentum * m[i];
  });
  orthogonalize(grad);
  const float size =
      0.2f * std::sqrt(static_cast<float>(std::max(weight.rows, weight.cols)));
  for_each_number(weight.size(), [&](int64_t i) {
    w[i] -= o.learning_rate * (size * g[i] + o.weight_decay * w[i]);
    g[i] = 0;
  });
  if (weight_bf16) convert(weight_bf16, weight);
}

}  // namespace seodang
