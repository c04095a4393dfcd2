#include "base/interrupt.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace seodang {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int signal) { interrupted = signal; }

size_t stack_size() {
  constexpr long kOurs = 1 << 14;  // beside what the processor's registers take
  return static_cast<size_t>(std::max(0L, ::sysconf(_SC_MINSIGSTKSZ)) + kOurs);
}

}  // namespace

InterruptGuard::InterruptGuard(std::vector<int> signals)
    : signals_(std::move(signals)), stack_(stack_size()) {
  interrupted = 0;
  stack_t stack{};
  stack.ss_sp = stack_.data();
  stack.ss_size = stack_.size();
  ::sigaltstack(&stack, &stack_before_);
  struct sigaction action {};
  action.sa_handler = on_signal;
  // The next one ends the program.
  action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  for (const int signal : signals_) ::sigaction(signal, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  for (const int signal : signals_) std::signal(signal, SIG_DFL);
  ::sigaltstack(&stack_before_, nullptr);
}

int InterruptGuard::signal() { return interrupted; }

}  // namespace seodang
