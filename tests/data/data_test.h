// Scratch places and small shards for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/shards.h"
#include "error_of.h"

namespace seodang {

// An empty directory of the running test's own.
inline std::filesystem::path scratch() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path dir =
      std::filesystem::path(testing::TempDir()) /
      (std::string("seodang_data_") + test->test_suite_name() + "_" +
       test->name());
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

// Without the fsync of base/files.h: tests write many.
inline void write_test_file(const std::filesystem::path& path,
                            std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

using Documents = std::vector<std::vector<int32_t>>;

inline TokenShards make_shards(const std::filesystem::path& dir,
                               const Documents& documents, int32_t vocab_size,
                               int64_t max_shard_tokens = 1 << 20) {
  ShardWriter train(dir, "train", vocab_size, max_shard_tokens);
  ShardWriter validation(dir, "validation", vocab_size);
  for (const auto& document : documents) train.add(document);
  train.finish();
  validation.finish();
  write_shard_index(dir, "none", train, validation);
  return TokenShards::open(dir, "train");
}

}  // namespace seodang
