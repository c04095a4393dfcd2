#include "base/concurrent.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace seodang {

void concurrently(size_t count, int at_once,
                  const std::function<void(size_t)>& body) {
  std::mutex mutex;
  std::exception_ptr error;
  size_t next = 0;
  const auto work = [&] {
    std::unique_lock lock(mutex);
    while (!error && next < count) {
      const size_t i = next++;
      lock.unlock();
      std::exception_ptr failed;
      try {
        body(i);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      if (failed && !error) error = failed;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < at_once && static_cast<size_t>(i) < count; ++i)
    threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace seodang
