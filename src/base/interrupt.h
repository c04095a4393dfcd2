// Signals that ask a long job to end well; a second one kills.
#pragma once

#include <signal.h>

#include <vector>

namespace seodang {

// While it lives, the signals only raise a flag. They are handled on a
// stack of their own: generated code of oneDNN (its sgemm for AVX2) lets the
// stack pointer point into a buffer, and whatever the system pushes there for a
// handler would overwrite what lies before it. To be made and destroyed by the
// thread that computes; the pool's threads take no signals.
class InterruptGuard {
 public:
  explicit InterruptGuard(std::vector<int> signals = {SIGINT, SIGTERM});
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested() { return signal() != 0; }
  // The one that came; 0: none.
  static int signal();

 private:
  std::vector<int> signals_;
  std::vector<char> stack_;
  stack_t stack_before_{};
};

}  // namespace seodang
