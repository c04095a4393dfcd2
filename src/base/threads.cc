#include "base/threads.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <exception>

namespace seodang {
namespace {

// The first exception by thread number wins, so that the message is the same on
// every run.
class Failures {
 public:
  template <class Body>
  void run(Body&& body) noexcept {
    try {
      body();
    } catch (...) {
#pragma omp critical(seodang_failures)
      if (!first_ || omp_get_thread_num() < thread_) {
        first_ = std::current_exception();
        thread_ = omp_get_thread_num();
      }
    }
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
  int thread_ = 0;
};

}  // namespace

int num_threads() { return omp_get_max_threads(); }

void set_num_threads(int count) {
  if (count <= 0) {
    cpu_set_t mask;
    count =
        sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
  }
  omp_set_num_threads(count);
}

namespace threads_internal {

void run_ranges(int64_t count, void* context, Body body) {
  if (count <= 0) return;
  const int64_t threads = std::min<int64_t>(num_threads(), count);
  if (threads == 1) return body(context, 0, count);
  Failures failures;
#pragma omp parallel num_threads(static_cast <int>(threads))
  {
    const int64_t i = omp_get_thread_num(), n = omp_get_num_threads();
    failures.run([&] { body(context, count * i / n, count * (i + 1) / n); });
  }
  failures.rethrow();
}

void run_items(int64_t count, void* context, Body body) {
  if (count <= 0) return;
  Failures failures;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads())
  for (int64_t i = 0; i < count; ++i)
    failures.run([&] { body(context, i, i + 1); });
  failures.rethrow();
}

}  // namespace threads_internal
}  // namespace seodang
