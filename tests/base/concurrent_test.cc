#include "base/concurrent.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace seodang {
namespace {

TEST(Concurrently, DoesEachOnceAndNoMoreAtATime) {
  std::vector<std::atomic<int>> done(200);
  std::atomic<int> running = 0, most = 0;
  concurrently(done.size(), 4, [&](size_t i) {
    const int now = ++running;
    for (int seen = most;
         now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::yield();
    ++done[i];
    --running;
  });
  for (const auto& times : done) EXPECT_EQ(times, 1);
  EXPECT_LE(most, 4);
  concurrently(0, 4, [](size_t) { FAIL(); });
}

TEST(Concurrently, EndsWithTheFirstException) {
  std::atomic<int> begun = 0;
  const auto fail_at_5 = [&](size_t i) {
    ++begun;
    if (i == 5) throw std::runtime_error("five");
  };
  EXPECT_THROW(concurrently(100000, 3, fail_at_5), std::runtime_error);
  EXPECT_GE(begun, 6);
  // One thread goes in order: none begins behind the exception.
  begun = 0;
  EXPECT_THROW(concurrently(100, 1, fail_at_5), std::runtime_error);
  EXPECT_EQ(begun, 6);
}

}  // namespace
}  // namespace seodang
