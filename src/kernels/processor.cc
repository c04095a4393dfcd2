#include "kernels/processor.h"

#include <fmt/format.h>

#include <hwy/highway.h>
#include <cstdlib>
#include <fstream>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/matmul.h"

namespace seodang {
namespace {

constexpr const char* kVariable = "SEODANG_MAX_ISA";

std::string processor_name() {
  std::ifstream cpus("/proc/cpuinfo");
  for (std::string line; std::getline(cpus, line);)
    if (const size_t colon = line.find(": ");
        line.starts_with("model name") && colon != std::string::npos)
      return line.substr(colon + 2);
  return "unknown";
}

// Highway numbers its targets so that a better one has a lower bit.
std::string_view kernel_target() {
  const int64_t targets = hwy::SupportedTargets();
  return hwy::TargetName(targets & -targets);
}

std::string_view product_isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 with VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 with VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 with bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AMX";
    default:
      return "newer than this program knows by name";
  }
}

}  // namespace

void limit_isa() {
  const char* value = std::getenv(kVariable);
  if (value == nullptr || *value == '\0') return;
#if defined(__x86_64__)
  const std::string_view isa = value;
  if (isa != "avx2" && isa != "avx512")
    throw UsageError("{}={}: must be avx2 or avx512", kVariable, isa);
  const bool avx2 = isa == "avx2";
  hwy::DisableTargets((avx2 ? HWY_AVX2 : HWY_AVX3) - 1);
  if (dnnl::set_max_cpu_isa(avx2 ? dnnl::cpu_isa::avx2
                                 : dnnl::cpu_isa::avx512_core) !=
      dnnl::status::success)
    throw Error("{}: oneDNN was used before it could be limited", kVariable);
#else
  throw UsageError("{}={}: there are no such instructions here", kVariable,
                   value);
#endif
}

std::string describe_processor() {
  const dnnl_version_t* dnnl = dnnl_version();
  return fmt::format(
      "processor  {}, {} threads\n"
      "kernels    {} (Highway {}.{}.{})\n"
      "products   {} (oneDNN {}.{}.{}, {})",
      processor_name(), num_threads(), kernel_target(), HWY_MAJOR, HWY_MINOR,
      HWY_PATCH, name_of(fastest_product_dtype()), dnnl->major, dnnl->minor,
      dnnl->patch, product_isa());
}

}  // namespace seodang
