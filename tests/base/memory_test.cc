#include "base/memory.h"

#include <gtest/gtest.h>

namespace seodang {
namespace {

TEST(Memory, AvailableIsAPartOfTheMachines) {
  EXPECT_GT(available_memory(), int64_t{1} << 20);
  EXPECT_LE(available_memory(), machine_memory());
}

}  // namespace
}  // namespace seodang
