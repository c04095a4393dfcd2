// One pool of threads for the whole program. Work is split by index into
// ranges whose number depends on num_threads() alone; who computes which is
// open, so results do not depend on timing, and a thread that the system has
// taken off its core is not waited for where its work can be done by others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace seodang {

// Number of threads that parallel work uses; set_num_threads(0) means one per
// core that this process may use: cores, not hardware threads, of its affinity
// mask, and no more than the CPU quota of its control group.
int num_threads();
void set_num_threads(int count);

namespace threads_internal {
using Body = void (*)(void* context, int64_t begin, int64_t end);
void run_ranges(int64_t count, void* context, Body body);
void run_items(int64_t count, void* context, Body body);
}  // namespace threads_internal

// Calls body(begin, end) on num_threads() disjoint ranges (or fewer) that cover
// [0, count). An exception in any range is rethrown here, that of the first
// range if there are several. Nothing is allocated. Inside parallel work, and
// while another thread's is under way, the ranges are computed one by one.
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

// Inside a body: which of the num_threads() shares of the work this is, for
// memory that each share has to itself. 0 outside.
int share_index();

}  // namespace seodang
