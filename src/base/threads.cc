#include "base/threads.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/cores.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace seodang {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// Which share of the work this thread is at, if it is at any.
thread_local int current_share = 0;
thread_local bool in_parallel = false;

// How long a thread looks for work, or for the others' end, before it sleeps.
// Waking one takes some 50 µs; spinning takes a core from whoever needs it.
constexpr microseconds kSpin{100};

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Calls done() until it is true, or kSpin is over.
template <class Done>
bool spin_until(Done&& done) {
  const auto end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return false;
}

// When the system gives a core to another program, a thread is gone for some
// milliseconds, and small pieces of work would wait for it again and again. So
// after such a wait the other threads are not woken for a while, the longer the
// more often it happens.
class Contention {
 public:
  bool noticed(Clock::time_point now) const {
    return now.time_since_epoch().count() < until_;
  }
  // The caller did its part of even work from `begin` to `worked`, and then
  // waited until now. Whether that is a sign.
  bool waited(Clock::time_point begin, Clock::time_point worked) {
    constexpr microseconds kNoticed{300}, kLeast{4000}, kMost{64000};
    const auto now = Clock::now();
    if (now - worked < kNoticed || now - worked < worked - begin) return false;
    const Clock::time_point last{Clock::duration(until_)};
    pause_ = now - last < 2 * pause_ ? std::min(2 * pause_, kMost) : kLeast;
    until_ = (now + pause_).time_since_epoch().count();
    return true;
  }

 private:
  microseconds pause_{0};
  std::atomic<Clock::rep> until_{0};
};

// Threads take the shares of one job at a time. A share is claimed by counting
// up the ticket; since the ticket also numbers the jobs, a thread that comes
// late cannot claim a share of another job than the one it saw.
class Pool {
 public:
  using Share = void (*)(void* context, int share);
  static constexpr int kMostShares = 0xffff;

  static Pool& get() {
    static Pool pool;
    return pool;
  }

  int size() const { return size_; }

  // The threads are started by the first work that needs them.
  void resize(int count) {
    const std::lock_guard lock(mutex_);
    size_ = std::clamp(count, 1, kMostShares);
  }

  // Calls share(context, i) for every i in [0, shares). `even`: all take about
  // as long.
  void run(int shares, void* context, Share share, bool even) {
    if (shares == 1) return share(context, 0);
    Failure failure;
    const Job job{context, share, &failure};
    if (std::unique_lock lock(mutex_, std::defer_lock);
        !in_parallel && lock.try_lock())
      run_shared(shares, job, even);
    else
      for (int i = 0; i < shares; ++i) run_share(job, i);
    if (failure.error) std::rethrow_exception(failure.error);
  }

 private:
  // The first exception by share wins, so that the message is the same on
  // every run.
  struct Failure {
    std::mutex mutex;
    std::exception_ptr error;
    int share = 0;
  };
  struct Job {
    void* context = nullptr;
    Share share = nullptr;
    Failure* failure = nullptr;
  };

  Pool() : size_(usable_cores()) {}
  ~Pool() {
    stop_ = true;
    wake();
    for (std::thread& thread : threads_) thread.join();
  }

  static void run_share(const Job& job, int share) noexcept {
    const int outer_share = std::exchange(current_share, share);
    const bool outer = std::exchange(in_parallel, true);
    try {
      job.share(job.context, share);
    } catch (...) {
      const std::lock_guard lock(job.failure->mutex);
      if (!job.failure->error || share < job.failure->share) {
        job.failure->error = std::current_exception();
        job.failure->share = share;
      }
    }
    current_share = outer_share;
    in_parallel = outer;
  }

  void run_shared(int shares, const Job& job, bool even) {
    while (static_cast<int>(threads_.size()) < size_ - 1) start();
    const auto begin = Clock::now();
    job_ = job;
    unfinished_.store(static_cast<uint32_t>(shares), std::memory_order_relaxed);
    const uint64_t number = (ticket_.load() >> 32) + 1;
    ticket_.store(number << 32 | static_cast<uint64_t>(shares) << 16);
    if (sleeping_.load() > 0 && !contention_.noticed(begin)) wake();
    while (claim_and_run()) {
    }
    const auto finished = [&] {
      return unfinished_.load(std::memory_order_acquire) == 0;
    };
    if (finished()) return;
    const auto worked = Clock::now();
    if (spin_until(finished)) return;
    for (uint32_t left; (left = unfinished_.load()) != 0;)
      unfinished_.wait(left);
    // Those that sleep until they are woken are to look for long work, too.
    if (even && contention_.waited(begin, worked)) wake();
  }

  // Whether there was a share left.
  bool claim_and_run() {
    uint64_t ticket = ticket_.load();
    do {
      if ((ticket & 0xffff) >= (ticket >> 16 & 0xffff)) return false;
    } while (!ticket_.compare_exchange_weak(ticket, ticket + 1));
    // The job stays until this share is done.
    run_share(job_, static_cast<int>(ticket & 0xffff));
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      unfinished_.notify_one();
    return true;
  }

  void start() {
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    threads_.emplace_back([this, number = static_cast<int>(threads_.size()) +
                                          1] { work(number); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void work(int number) {
    const auto has_work = [&] {
      const uint64_t ticket = ticket_.load(std::memory_order_relaxed);
      return (ticket & 0xffff) < (ticket >> 16 & 0xffff) && number < size_;
    };
    while (!stop_) {
      if (has_work() && claim_and_run()) continue;
      if (contention_.noticed(Clock::now())) {
        // Work that takes long gets help all the same.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      if (spin_until([&] { return has_work() || stop_; })) continue;
      // Who publishes a job, or notices contention, looks at sleeping_ or wakes
      // after that; who sleeps looks for both after it counted itself: one of
      // them sees the other.
      const uint32_t seen = wakes_.load();
      ++sleeping_;
      if (!has_work() && !stop_ && !contention_.noticed(Clock::now()))
        wakes_.wait(seen);
      --sleeping_;
    }
  }

  void wake() {
    ++wakes_;
    wakes_.notify_all();
  }

  std::mutex mutex_;  // of whoever has work
  std::vector<std::thread> threads_;
  std::atomic<int> size_;
  Contention contention_;
  Job job_;
  std::atomic<bool> stop_{false};
  // Each on a cache line of its own: job number << 32 | shares << 16 | next.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> unfinished_{0};
  alignas(64) std::atomic<uint32_t> wakes_{0};
  std::atomic<int> sleeping_{0};
};

}  // namespace

int num_threads() { return Pool::get().size(); }

void set_num_threads(int count) {
  Pool::get().resize(count > 0 ? count : usable_cores());
}

int share_index() { return current_share; }

namespace threads_internal {

void run_ranges(int64_t count, void* context, Body body) {
  if (count <= 0) return;
  struct Ranges {
    int64_t count, shares;
    void* context;
    Body body;
  } ranges{count, std::min<int64_t>(num_threads(), count), context, body};
  Pool::get().run(
      static_cast<int>(ranges.shares), &ranges,
      [](void* all, int share) {
        const auto& r = *static_cast<const Ranges*>(all);
        r.body(r.context, r.count * share / r.shares,
               r.count * (share + 1) / r.shares);
      },
      true);
}

void run_items(int64_t count, void* context, Body body) {
  if (count <= 0) return;
  struct Items {
    int64_t count;
    std::atomic<int64_t> next;
    void* context;
    Body body;
  } items{count, 0, context, body};
  Pool::get().run(
      static_cast<int>(std::min<int64_t>(num_threads(), count)), &items,
      [](void* all, int) {
        auto& left = *static_cast<Items*>(all);
        for (int64_t i; (i = left.next.fetch_add(1)) < left.count;)
          left.body(left.context, i, i + 1);
      },
      false);
}

}  // namespace threads_internal
}  // namespace seodang
