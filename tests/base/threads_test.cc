#include "base/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/cores.h"

namespace seodang {
namespace {

class Threads : public testing::Test {
 protected:
  ~Threads() override { set_num_threads(0); }
};

using Ranges = std::set<std::pair<int64_t, int64_t>>;

Ranges ranges_of(int64_t count) {
  std::mutex mutex;
  Ranges out;
  parallel_ranges(count, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(out.emplace(begin, end).second);
  });
  return out;
}

TEST_F(Threads, RangesDependOnTheNumberOfThreadsAlone) {
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    EXPECT_EQ(num_threads(), threads);
    for (const int64_t count : {1, 2, 3, 10, 1000}) {
      const Ranges first = ranges_of(count);
      EXPECT_EQ(std::ssize(first), std::min<int64_t>(threads, count));
      int64_t covered = 0;
      for (const auto& [begin, end] : first) {
        EXPECT_EQ(begin, covered);
        EXPECT_GT(end, begin);
        covered = end;
      }
      EXPECT_EQ(covered, count);
      for (int i = 0; i < 200; ++i) ASSERT_EQ(ranges_of(count), first);
    }
  }
}

TEST_F(Threads, AsManyAsThereAreCoresThatMayBeUsed) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), CPU_COUNT(&all));
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), 1);
  set_num_threads(0);
  EXPECT_EQ(num_threads(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
}

TEST_F(Threads, NothingToDoCallsNobody) {
  parallel_ranges(0, [](int64_t, int64_t) { FAIL(); });
  parallel_items(0, [](int64_t) { FAIL(); });
}

TEST_F(Threads, ItemsAreTakenOnceEach) {
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    for (int repeat = 0; repeat < 300; ++repeat) {
      std::vector<std::atomic<int>> taken(97);
      parallel_items(97, [&](int64_t i) { ++taken[static_cast<size_t>(i)]; });
      for (const auto& times : taken) ASSERT_EQ(times, 1);
    }
  }
}

// Memory of a share is used by one thread at a time.
TEST_F(Threads, SharesHaveMemoryToThemselves) {
  set_num_threads(4);
  EXPECT_EQ(share_index(), 0);
  std::vector<std::atomic<int>> users(4);
  std::vector<int64_t> sums(4);
  for (int repeat = 0; repeat < 500; ++repeat)
    parallel_items(16, [&](int64_t i) {
      const auto share = static_cast<size_t>(share_index());
      ASSERT_LT(share, users.size());
      EXPECT_EQ(++users[share], 1);
      sums[share] += i;
      --users[share];
    });
  EXPECT_EQ(sums[0] + sums[1] + sums[2] + sums[3], 500 * 120);
}

TEST_F(Threads, NoMoreThanAskedForTakePart) {
  set_num_threads(6);
  ranges_of(6);  // six there are
  set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  for (int repeat = 0; repeat < 50; ++repeat)
    parallel_items(20, [&](int64_t) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
  EXPECT_LE(seen.size(), 2U);
}

TEST_F(Threads, TheFirstRangesExceptionIsRethrown) {
  set_num_threads(3);
  for (int repeat = 0; repeat < 100; ++repeat) {
    try {
      parallel_ranges(3, [](int64_t begin, int64_t) {
        throw std::runtime_error(std::to_string(begin));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      ASSERT_STREQ(error.what(), "0");
    }
  }
  EXPECT_EQ(ranges_of(3).size(), 3U);  // and work goes on
}

TEST_F(Threads, WorkInsideWorkIsDoneInTheSameRanges) {
  set_num_threads(3);
  const Ranges alone = ranges_of(10);
  std::atomic<int> equal{0};
  parallel_items(9, [&](int64_t) { equal += ranges_of(10) == alone; });
  EXPECT_EQ(equal, 9);
}

TEST_F(Threads, SeveralThreadsMayHaveWorkAtOnce) {
  set_num_threads(3);
  const Ranges alone = ranges_of(10);
  std::atomic<int> equal{0};
  std::vector<std::thread> callers;
  callers.reserve(4);
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 500; ++repeat)
        equal += ranges_of(10) == alone;
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(equal, 2000);
}

// A thread that sleeps longer than others look for work is woken again.
TEST_F(Threads, WorkAfterAPauseIsDone) {
  set_num_threads(2);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> met{0};
    // Each waits for the other: it takes two threads to end this.
    parallel_ranges(2, [&](int64_t, int64_t) {
      ++met;
      while (met < 2) std::this_thread::yield();
    });
    EXPECT_EQ(met, 2);
  }
}

}  // namespace
}  // namespace seodang
