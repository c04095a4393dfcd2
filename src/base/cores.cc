#include "base/cores.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>

namespace seodang {
namespace {

// CPUs that are hardware threads of one core count once.
int cores_of(const cpu_set_t& mask) {
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    std::string siblings;
    std::ifstream(fmt::format(
        "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu)) >>
        siblings;
    cores.insert(siblings.empty() ? std::to_string(cpu) : siblings);
  }
  return static_cast<int>(cores.size());
}

// CPUs' worth of time that the control group allows, rounded up.
int quota() {
  double most = CPU_SETSIZE;
  std::string line;
  for (std::ifstream groups("/proc/self/cgroup"); std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::string path = line.substr(3);;) {
      double time = 0, period = 0;
      if (std::ifstream file("/sys/fs/cgroup" + path + "/cpu.max");
          file >> time >> period && period > 0)  // no number: "max"
        most = std::min(most, time / period);
      if (path.empty()) break;
      path.resize(path.rfind('/'));
    }
  }
  return std::max(1, static_cast<int>(std::ceil(most)));
}

}  // namespace

bool is_bound() {
  cpu_set_t mask;
  return sched_getaffinity(0, sizeof mask, &mask) == 0 &&
         CPU_COUNT(&mask) < sysconf(_SC_NPROCESSORS_ONLN);
}

int usable_cores() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  return std::max(1, std::min(cores_of(mask), quota()));
}

}  // namespace seodang
