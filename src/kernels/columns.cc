#include "kernels/columns.h"

#include "base/threads.h"

namespace seodang {
namespace {

// move(a number of x, a number of values) for each of the columns.
template <class Move>
void for_each_number(Tensor x, std::span<const int32_t> columns, Tensor values,
                     Move&& move) {
  const auto with = [&]<class T>(T) {
    parallel_ranges(x.rows, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        for (size_t i = 0; i < columns.size(); ++i)
          move(x.row<T>(r)[columns[i]], values.row<T>(r)[i]);
    });
  };
  x.dtype == Dtype::f32 ? with(float()) : with(bf16());
}

}  // namespace

void put_columns(Tensor x, std::span<const int32_t> columns, Tensor values) {
  for_each_number(x, columns, values, [](auto& to, auto& from) { to = from; });
}

void take_columns(Tensor values, Tensor x, std::span<const int32_t> columns) {
  for_each_number(x, columns, values, [](auto& from, auto& to) {
    to = from;
    from = {};
  });
}

}  // namespace seodang
