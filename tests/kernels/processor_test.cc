#include "kernels/processor.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <cstdlib>
#include <string>
#include <string_view>

namespace seodang {
namespace {

// To say which instructions are used does not change which are.
TEST(Processor, DescribesWhatItIsHeldTo) {
  const std::string held = describe_processor();
  const size_t chosen = hwy::GetChosenTarget().GetIndex();
  EXPECT_EQ(describe_processor(), held);
  EXPECT_EQ(hwy::GetChosenTarget().GetIndex(), chosen);
  const char* isa = std::getenv("SEODANG_MAX_ISA");
  const bool avx2 = isa != nullptr && std::string_view(isa) == "avx2";
  if (avx2) {
    EXPECT_EQ(held.find("AVX3"), std::string::npos) << held;
  }
}

}  // namespace
}  // namespace seodang
