// SIGINT and SIGTERM ask a training run to save and stop; a second one kills.
#pragma once

#include <signal.h>

#include <vector>

namespace seodang {

// While it lives, the two signals only raise a flag. They are handled on a
// stack of their own: generated code of oneDNN (its sgemm for AVX2) lets the
// stack pointer point into a buffer, and whatever the system pushes there for a
// handler would overwrite what lies before it. To be made and destroyed by the
// thread that computes; the pool's threads take no signals.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested();

 private:
  std::vector<char> stack_;
  stack_t stack_before_{};
};

}  // namespace seodang
