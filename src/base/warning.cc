#include "base/warning.h"

#include <cstdio>
#include <mutex>
#include <set>

namespace seodang {

void warn(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(text).second) fmt::print(stderr, "warning: {}\n", text);
}

}  // namespace seodang
