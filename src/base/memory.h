// What memory there is, in bytes, no more than this process's control group
// allows.
#pragma once

#include <cstdint>

namespace seodang {

int64_t machine_memory();
// What can be had without pushing anything out but files that are cached;
// machine_memory() where the system does not tell.
int64_t available_memory();

}  // namespace seodang
