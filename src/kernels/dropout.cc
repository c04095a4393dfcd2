#include "kernels/dropout.h"

#include "base/rng.h"
#include "base/threads.h"

namespace seodang {

void dropout(Tensor out, Tensor x, float p, uint64_t key, int64_t first_row,
             bool add) {
  constexpr int64_t kDraws = 4;  // of 16 bits, from one hash
  const auto dropped = static_cast<uint64_t>(p * 65536);
  const float scale = 1 / (1 - p);
  const auto with = [&]<class To, class From>(To, From) {
    parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const From* from = x.row<From>(r);
        To* to = out.row<To>(r);
        const uint64_t row_key =
            mix_bits(key, static_cast<uint64_t>(first_row + r));
        uint64_t bits = 0;
        for (int64_t c = 0; c < x.cols; ++c) {
          if (c % kDraws == 0)
            bits = mix_bits(row_key + static_cast<uint64_t>(c));
          const bool keeps = (bits & 0xffff) >= dropped;
          bits >>= 16;
          const float value = keeps ? scale * static_cast<float>(from[c]) : 0;
          to[c] = To(add ? static_cast<float>(to[c]) + value : value);
        }
      }
    });
  };
  const auto with_from = [&]<class To>(To to) {
    x.dtype == Dtype::f32 ? with(to, float()) : with(to, bf16());
  };
  out.dtype == Dtype::f32 ? with_from(float()) : with_from(bf16());
}

}  // namespace seodang
