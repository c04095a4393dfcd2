#include "kernels/processor.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/processor.cc"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {

int64_t ThisTarget() { return HWY_TARGET; }

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {
namespace {

HWY_EXPORT(ThisTarget);

constexpr const char* kVariable = "SEODANG_MAX_ISA";

std::string processor_name() {
  std::ifstream cpus("/proc/cpuinfo");
  for (std::string line; std::getline(cpus, line);)
    if (const size_t colon = line.find(": ");
        line.starts_with("model name") && colon != std::string::npos)
      return line.substr(colon + 2);
  return "unknown";
}

// The one that is called. hwy::SupportedTargets() is no question to ask: it
// makes the best one the chosen one again, whatever was disabled.
std::string_view kernel_target() {
  return hwy::TargetName(HWY_DYNAMIC_DISPATCH(ThisTarget)());
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
#endif
