#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace seodang {

int64_t machine_memory() {
  int64_t bytes = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE);
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  int64_t most = 0;
  if (limit >> most && most > 0) bytes = std::min(bytes, most);
  return bytes;
}

int64_t available_memory() {
  const int64_t machine = machine_memory();
  std::ifstream info("/proc/meminfo");
  std::string name, unit;
  for (int64_t kib = 0; info >> name >> kib; std::getline(info, unit))
    if (name == "MemAvailable:") return std::min(machine, kib * 1024);
  return machine;
}

}  // namespace seodang
