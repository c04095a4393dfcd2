#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

fs::path scratch(const char* name) {
  fs::path path =
      fs::path(testing::TempDir()) / (std::string("seodang_base_") + name);
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

TEST(Rng, MatchesThePublishedPhiloxVector) {
  // Random123's kat_vectors: philox4x32-10, counter 0, key 0 gives
  // 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
  Rng rng(0);
  EXPECT_EQ(rng.next(), 0xe169c58d6627e8d5u);
}

TEST(Rng, SeekContinuesTheStream) {
  Rng a(7, 3);
  for (int i = 0; i < 5; ++i) a.next();
  Rng b(7, 3);
  b.seek(a.position());
  EXPECT_EQ(a.next(), b.next());
}

TEST(Rng, BelowIsUniform) {
  Rng rng(1);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 400);
}

TEST(Rng, NormalHasUnitVariance) {
  Rng rng(2);
  double sum = 0, square = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = rng.normal();
    sum += x;
    square += x * x;
  }
  EXPECT_NEAR(sum / 1e5, 0, 0.02);
  EXPECT_NEAR(square / 1e5, 1, 0.02);
}

TEST(Files, UncommittedFileLeavesNothing) {
  const fs::path dir = scratch("atomic");
  {
    AtomicFile file(dir / "a.txt");
    file.write("half");
  }
  EXPECT_TRUE(fs::is_empty(dir));
  write_file(dir / "a.txt", "whole");
  EXPECT_EQ(read_file(dir / "a.txt"), "whole");
}

TEST(Files, FullDiskIsAnErrorAndKeepsTheOldFile) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  const fs::path dir = scratch("full");
  write_file(dir / "keep.txt", "old");
  // The temporary name is predictable; a link to /dev/full makes its writes
  // fail.
  fs::create_symlink("/dev/full",
                     dir / fmt::format("keep.txt.tmp-{}", ::getpid()));
  EXPECT_THROW(write_file(dir / "keep.txt", std::string(1 << 21, 'x')), Error);
  EXPECT_EQ(read_file(dir / "keep.txt"), "old");
}

TEST(Files, DirectoryIsReplacedWhole) {
  const fs::path dir = scratch("directory");
  for (const char* text : {"one", "two"}) {
    AtomicDirectory out(dir / "model");
    write_file(out.path() / "f", text);
    out.commit();
    EXPECT_EQ(read_file(dir / "model" / "f"), text);
  }
  EXPECT_EQ(
      std::distance(fs::directory_iterator(dir), fs::directory_iterator()), 1);
}

TEST(Files, MissingFileSaysWhich) {
  try {
    read_file("/no/such/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/no/such/file"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace seodang
