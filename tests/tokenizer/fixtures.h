// What the tests of this room share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "tokenizer/train_bpe.h"

namespace seodang {

inline const std::filesystem::path kTokenizerData =
    std::filesystem::path(SEODANG_SOURCE_DIR) / "tests/tokenizer/data";

inline std::string sample_text() {
  return read_file(kTokenizerData / "sample.txt");
}

inline Tokenizer train_on(const std::string& text,
                          const BpeTrainOptions& options) {
  bool given = false;
  return train_bpe(
      [&](std::string& document) {
        document = text;
        return !std::exchange(given, true);
      },
      options);
}

inline Tokenizer small_tokenizer() {
  return train_on(sample_text(), {.vocab_size = 500, .min_frequency = 1});
}

// An empty directory of this test's own.
inline std::filesystem::path scratch() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) /
      fmt::format("seodang_{}_{}", test->test_suite_name(), test->name());
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

// What `action` throws; fails when it throws nothing.
template <class F>
std::string message_of(F&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

}  // namespace seodang
