// A whole model directory of random weights and a real tokenizer, made in a
// moment; and the program run on it.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/error.h"
#include "error_of.h"
#include "generate/language_model.h"
#include "tokenizer/train_bpe.h"
#include "tokenizer/turn_format.h"

namespace seodang {

inline Tokenizer tiny_tokenizer() {
  BpeTrainOptions options;
  options.vocab_size =
      300 + static_cast<int32_t>(options.special_tokens.size());
  int left = 3;
  return train_bpe(
      [&](std::string& text) {
        text =
            "The capital of Korea is Seoul. 대한민국의 수도는 서울입니다. The "
            "capital of Japan is Tokyo. 일본의 수도는 도쿄입니다.";
        return left-- > 0;
      },
      options);
}

inline ModelConfig tiny_config(const Tokenizer& tokenizer) {
  ModelConfig c;
  c.vocab_size = tokenizer.vocab_size();
  c.hidden_size = 32;
  c.intermediate_size = 48;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.max_position_embeddings = 96;
  c.initializer_range = 0.4;  // far from uniform, so that choices are clear
  c.bos_token_id = tokenizer.bos_token_id();
  c.eos_token_id = {tokenizer.eos_token_id()};
  return c;
}

// A directory of the running test's own, empty at first.
inline std::filesystem::path scratch_directory() {
  static std::string made;
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const auto dir = std::filesystem::path(testing::TempDir()) /
                   (std::string("seodang_use_") + test->test_suite_name() +
                    "_" + test->name());
  if (made != dir.string()) {
    std::filesystem::remove_all(dir);
    std::filesystem::create_directories(dir);
    made = dir.string();
  }
  return dir;
}

inline std::filesystem::path write_tiny_model(const std::filesystem::path& dir,
                                              bool instruct,
                                              uint64_t seed = 1) {
  std::filesystem::create_directories(dir);
  Tokenizer tokenizer = tiny_tokenizer();
  ModelConfig config = tiny_config(tokenizer);
  if (instruct) {
    tokenizer.set_chat_template(kLlama3ChatTemplate);
    config.eos_token_id.push_back(*tokenizer.find("<|eot_id|>"));
  }
  tokenizer.save(dir);
  const Model model = Model::random(config, seed, Dtype::f32);
  save_model(dir, config, model.weights());
  return dir;
}

struct ProgramResult {
  int exit_code = -1;
  std::string out, err;
};

// Runs `seodang ARGUMENTS` in a shell; `before` stands before the program's
// name ("echo hi | ").
inline ProgramResult run_program(const std::string& arguments,
                                 const std::string& before = "") {
  const auto dir = scratch_directory().string();
  const std::string command = before + "'" SEODANG_PROGRAM "' " + arguments +
                              " >'" + dir + "/out' 2>'" + dir + "/err'";
  const int status = std::system(command.c_str());
  const auto read = [&](const char* name) {
    std::ifstream file(dir + "/" + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("out"),
          read("err")};
}

}  // namespace seodang
