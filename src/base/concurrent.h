// Work that waits for others, as for answers over a network. What computes is
// base/threads.h's.
#pragma once

#include <cstddef>
#include <functional>

namespace seodang {

// Calls body(i) for every i in [0, count), up to `at_once` at the same time, on
// threads of their own. After an exception none begins any more; the first is
// rethrown when those that run are done.
void concurrently(size_t count, int at_once,
                  const std::function<void(size_t)>& body);

}  // namespace seodang
