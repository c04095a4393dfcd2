// One pool for the whole program: OpenMP's, which oneDNN shares. Work is split
// by index, never by who comes first, so results do not depend on timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace seodang {

// Number of threads that parallel work uses; set_num_threads(0) means one per
// core this process may run on.
int num_threads();
void set_num_threads(int count);

namespace threads_internal {
using Body = void (*)(void* context, int64_t begin, int64_t end);
void run_ranges(int64_t count, void* context, Body body);
void run_items(int64_t count, void* context, Body body);
}  // namespace threads_internal

// Calls body(begin, end) on disjoint ranges that cover [0, count), one range a
// thread (static split). An exception in any range is rethrown here. Nothing is
// allocated.
template <class Body>
void parallel_ranges(int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  threads_internal::run_ranges(
      count, const_cast<void*>(static_cast<const void*>(std::addressof(body))),
      [](void* context, int64_t begin, int64_t end) {
        (*static_cast<Plain*>(context))(begin, end);
      });
}

// Calls body(i) for every i in [0, count); threads take the next free index, so
// body(i) must depend on i alone. For items of uneven cost.
template <class Body>
void parallel_items(int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  threads_internal::run_items(
      count, const_cast<void*>(static_cast<const void*>(std::addressof(body))),
      [](void* context, int64_t i, int64_t) {
        (*static_cast<Plain*>(context))(i);
      });
}

}  // namespace seodang
