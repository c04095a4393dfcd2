#include "base/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "kernels/matmul.h"
#include "tensor/tensor.h"

namespace seodang {
namespace {

// One SIGTERM for the process after so long.
class Alarm {
 public:
  Alarm() {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGTERM;
    timer_create(CLOCK_MONOTONIC, &event, &timer_);
  }
  ~Alarm() { timer_delete(timer_); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  void set(int64_t nanoseconds) {
    itimerspec when{};
    when.it_value.tv_nsec = nanoseconds;
    timer_settime(timer_, 0, &when, nullptr);
  }

 private:
  timer_t timer_{};
};

// Products of shapes for which oneDNN makes room of its own, interrupted at
// 2,000 places; whatever a handler does to the heap ends the process at its
// next allocation.
[[noreturn]] void interrupt_products() {
  constexpr int64_t kRows = 256, kIn = 512, kOut = 192;
  const OwnedTensor x(Dtype::f32, kRows, kIn), w(Dtype::f32, kOut, kIn),
      y(Dtype::f32, kRows, kOut);
  Alarm alarm;
  for (int64_t round = 0; round < 2000; ++round) {
    const InterruptGuard guard;
    alarm.set(20'000 + 137 * round);
    while (!InterruptGuard::requested()) linear_forward(y, x, w);
    const std::vector<char> neighbour(static_cast<size_t>(16 * (round + 1)));
  }
  std::exit(0);
}

TEST(Interrupt, HarmsNothingWhereverItComes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(interrupt_products(), testing::ExitedWithCode(0), "");
}

TEST(Interrupt, TheSecondSignalEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        std::raise(SIGTERM);
        if (!InterruptGuard::requested()) std::exit(1);
        std::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace seodang
