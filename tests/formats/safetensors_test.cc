#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"

namespace seodang {
namespace {

// A header of 8 + odd bytes, as writers that do not pad leave it, and a float
// behind an odd number of halves.
TEST(Safetensors, NumbersThatLieUnalignedAreRead) {
  std::string header =
      R"({"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
      R"("w":{"dtype":"F32","shape":[2],"data_offsets":[2,10]}})";
  if (header.size() % 2 == 0) header += ' ';
  const uint64_t size = header.size();
  std::string file(reinterpret_cast<const char*>(&size), sizeof size);
  file += header + std::string("\x00\x3c", 2);  // 1.0 in f16
  const float numbers[] = {1.5f, -2.0f};
  file.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  const auto path = std::filesystem::path(testing::TempDir()) /
                    "seodang_unaligned.safetensors";
  write_file(path, file);

  const SafetensorsFile read(path);
  const Tensor h = read.tensor("h", {1}), w = read.tensor("w", {2});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(h.data) % sizeof(f16), 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(w.data) % sizeof(float), 0u);
  EXPECT_EQ(float{*h.row<f16>(0)}, 1.0f);
  EXPECT_EQ(w.row<float>(0)[0], 1.5f);
  EXPECT_EQ(w.row<float>(0)[1], -2.0f);
}

}  // namespace
}  // namespace seodang
