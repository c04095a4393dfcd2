// One pool for the whole program: OpenMP's, which oneDNN shares. Work is split
// by index, never by who comes first, so results do not depend on timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace seodang {

// Number of threads that parallel work uses; set_num_threads(0) means one per
// core this process may run on.
int num_threads();
void set_num_threads(int count);

// Calls body(begin, end) on disjoint ranges that cover [0, count), one range a
// thread (static split). An exception in any range is rethrown here.
void parallel_ranges(int64_t count,
                     const std::function<void(int64_t, int64_t)>& body);

// Calls body(i) for every i in [0, count); threads take the next free index, so
// body(i) must depend on i alone. For items of uneven cost.
void parallel_items(int64_t count, const std::function<void(int64_t)>& body);

}  // namespace seodang
