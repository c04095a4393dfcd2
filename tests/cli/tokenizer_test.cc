// `seodang tokenizer` as a user runs it.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tokenizer/fixtures.h"

namespace seodang {
namespace {

using nlohmann::json;

struct Result {
  int status = -1;
  std::string output, errors;
};

class TokenizerCommand : public testing::Test {
 protected:
  // Runs `seodang tokenizer ARGUMENTS` in dir_ on `input`.
  Result run(const std::string& arguments, const std::string& input = "") {
    write_file(dir_ / "input", input);
    const std::string command =
        fmt::format("cd '{}' && '{}' tokenizer {} <input 2>errors",
                    dir_.string(), SEODANG_PROGRAM, arguments);
    Result result;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
      result.output.append(buffer.data(), got);
    result.status = WEXITSTATUS(::pclose(pipe));
    result.errors = read_file(dir_ / "errors");
    return result;
  }

  void expect_one_line(const Result& result, int status,
                       const std::string& part) {
    EXPECT_EQ(result.status, status) << result.errors;
    EXPECT_NE(result.errors.find(part), std::string::npos) << result.errors;
    EXPECT_EQ(result.errors.find('\n'), result.errors.size() - 1)
        << result.errors;
  }

  const std::filesystem::path dir_ = scratch();
  const std::string model_ = "'" + (kTokenizerData / "model").string() + "'";
};

TEST_F(TokenizerCommand, TrainsEncodesAndDecodes) {
  const std::string text = "나는 아침에 밥을 🍚 <|eot_id|>";
  write_file(dir_ / "a.txt", sample_text());
  const Result trained = run("train a.txt -o model --vocab-size 400 --json");
  ASSERT_EQ(trained.status, 0) << trained.errors;
  EXPECT_EQ(json::parse(trained.output)["vocab_size"], 400);
  const Result ids = run("encode model '" + text + "'");
  EXPECT_EQ(run("decode model " + ids.output).output, text + "\n");
  EXPECT_EQ(run("decode model", ids.output).output, text + "\n");
  const json tokens =
      json::parse(run("encode model --json --special --bos", text).output);
  EXPECT_EQ(tokens["tokens"].front()["text"], "<|begin_of_text|>");
  EXPECT_EQ(tokens["tokens"].back()["text"], "<|eot_id|>");
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
}

TEST_F(TokenizerCommand, InvalidUtf8IsReplacedOrRefused) {
  const std::string text = "abc\xED\x95";
  const Result ids = run("encode " + model_, text);
  EXPECT_EQ(run("decode " + model_, ids.output).output, "abc\xEF\xBF\xBD\n");
  expect_one_line(run("encode --invalid-utf8 refuse " + model_, text), 1,
                  "byte 3 is not UTF-8");
  write_file(dir_ / "bad.txt", text);
  expect_one_line(run("train bad.txt -o m --invalid-utf8 refuse"), 1,
                  "bad.txt");
}

TEST_F(TokenizerCommand, BadInputIsOneLine) {
  write_file(dir_ / "a.txt", sample_text());
  write_file(dir_ / "empty.txt", "");
  expect_one_line(run("train a.txt -o m --vocab-size 100"), 2, "too small");
  expect_one_line(run("train empty.txt -o m"), 1, "no text");
  expect_one_line(run("train none.txt -o m"), 1, "none.txt");
  expect_one_line(run("encode none text"), 1, "none/tokenizer.json");
  expect_one_line(run("decode " + model_ + " 99999"), 1, "99999");
  expect_one_line(run("decode " + model_ + " -- -5"), 1, "-5");
  expect_one_line(run("decode " + model_, "12 x"), 2, "token ids");
}

}  // namespace
}  // namespace seodang
