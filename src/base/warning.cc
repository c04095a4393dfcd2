#include "base/warning.h"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>

namespace seodang {
namespace {
std::atomic<bool> silenced{false};
}  // namespace

void silence_warnings() { silenced = true; }

void warn(const std::string& text) {
  if (silenced) return;
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(text).second) fmt::print(stderr, "warning: {}\n", text);
}

}  // namespace seodang
