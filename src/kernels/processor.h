// What this processor can do, and how much of it the kernels use.
#pragma once

#include <string>

namespace seodang {

// Holds the kernels to fewer instructions than the processor has, if the
// environment variable SEODANG_MAX_ISA says so: "avx2", or "avx512" (without
// bf16 products and VNNI). To be called before any kernel. Throws UsageError
// for any other value, and on processors other than x86-64.
void limit_isa();

// For a report of a fault, in lines: the processor's name, the instructions
// that kernels and products use, and what products are computed in.
std::string describe_processor();

}  // namespace seodang
