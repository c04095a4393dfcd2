// Every test program: as gtest_main, in a scratch folder of its own, so that
// tests run side by side and leave nothing behind.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "kernels/processor.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  seodang::limit_isa();
  std::string folder =
      std::filesystem::temp_directory_path() / "seodang-test-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  setenv("TEST_TMPDIR", folder.c_str(), 1);  // testing::TempDir()
  setenv("TMPDIR", folder.c_str(), 1);
  const int result = RUN_ALL_TESTS();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return result;
}
