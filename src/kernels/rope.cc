#include "kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rope.cc"
#include <hwy/foreach_target.h>

#include "kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

// (a, b) ← (a·cos − b·sin, b·cos + a·sin); `direction` −1 turns back.
template <class T>
void rotate_rows(Tensor x, const int32_t* positions, const RopeTable& table,
                 float direction, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* cosine = table.cosine.data() + positions[r] * table.half;
    const float* sine = table.sine.data() + positions[r] * table.half;
    for (int64_t head = 0; head < x.cols; head += 2 * table.half) {
      T* first = x.row<T>(r) + head;
      T* second = first + table.half;
      for_each(table.half, [&](auto d, int64_t i) HWY_ATTR {
        const auto a = load(d, first + i), b = load(d, second + i);
        const auto c = load(d, cosine + i);
        const auto s = hn::Mul(load(d, sine + i), hn::Set(d, direction));
        store(d, hn::NegMulAdd(b, s, hn::Mul(a, c)), first + i);
        store(d, hn::MulAdd(a, s, hn::Mul(b, c)), second + i);
      });
    }
  }
}

void Rotate(Tensor x, const int32_t* positions, const RopeTable& table,
            float direction) {
  with_type(x.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
      rotate_rows<T>(x, positions, table, direction, begin, end);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(Rotate);

RopeTable::RopeTable(const std::vector<double>& inv_freq, int64_t positions) {
  for (int64_t p = 0; p < positions; ++p) append(inv_freq, 1);
}

void RopeTable::append(const std::vector<double>& inv_freq, double scale) {
  const auto position = static_cast<double>(positions());
  half = static_cast<int64_t>(inv_freq.size());
  for (const double frequency : inv_freq) {
    const double angle = position * frequency;
    cosine.push_back(static_cast<float>(scale * std::cos(angle)));
    sine.push_back(static_cast<float>(scale * std::sin(angle)));
  }
}

void rope_forward(Tensor x, const int32_t* positions, const RopeTable& table) {
  HWY_DYNAMIC_DISPATCH(Rotate)(x, positions, table, 1.0f);
}

void rope_backward(Tensor dx, const int32_t* positions,
                   const RopeTable& table) {
  HWY_DYNAMIC_DISPATCH(Rotate)(dx, positions, table, -1.0f);
}

}  // namespace seodang
#endif
