// How much of the machine is this process's.
#pragma once

namespace seodang {

// Cores of the affinity mask (hardware threads of one core count once), and no
// more than the CPU quota of the control group, rounded up (cgroup v2, cpu.max
// of the group and of those around it). At least 1.
int usable_cores();
// Whether the affinity mask leaves out processors of the machine.
bool is_bound();

}  // namespace seodang
