// SIGINT and SIGTERM ask a training run to save and stop; a second one kills.
#pragma once

namespace seodang {

// While it lives, the two signals only raise a flag.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested();
};

}  // namespace seodang
