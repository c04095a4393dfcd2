// `seodang data` as a user runs it.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "data/data_test.h"
#include "data/small_tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

struct Result {
  int status = -1;
  std::string output, errors;
};

class DataCommand : public testing::Test {
 protected:
  DataCommand() {
    fs::create_directory(dir_ / "tok");
    small_tokenizer().save(dir_ / "tok");
    write_test_file(dir_ / "a.jsonl",
                    "{\"text\": \"The capital of Korea is Seoul.\"}\n"
                    "{\"text\": \"대한민국의 수도는 서울입니다.\"}\n"
                    "{\"text\": \"대한민국의 수도는 서울입니다.\"}\n");
  }

  // Runs `seodang data ARGUMENTS` in dir_, behind `before` in a shell.
  Result run(const std::string& arguments, const std::string& before = "") {
    const std::string command =
        fmt::format("cd '{}' && {{ {} '{}' data {} 2>errors; }}", dir_.string(),
                    before, SEODANG_PROGRAM, arguments);
    Result result;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
      result.output.append(buffer.data(), got);
    result.status = WEXITSTATUS(::pclose(pipe));
    result.errors = read_file(dir_ / "errors");
    return result;
  }

  const fs::path dir_ = scratch();
};

void expect_one_line(const Result& result, int status,
                     const std::string& part) {
  EXPECT_EQ(result.status, status) << result.errors;
  EXPECT_NE(result.errors.find(part), std::string::npos) << result.errors;
  EXPECT_EQ(result.errors.find('\n'), result.errors.size() - 1)
      << result.errors;
}

TEST_F(DataCommand, PrintsWhatItKeptAndDropped) {
  const Result table = run("a.jsonl --tokenizer tok -o out");
  EXPECT_EQ(table.status, 0) << table.errors;
  EXPECT_NE(table.output.find("a.jsonl:3: 대한민국의"), std::string::npos)
      << table.output;
  const Result json = run("a.jsonl --tokenizer tok -o out --json");
  const auto report = nlohmann::json::parse(json.output);
  EXPECT_EQ(report.at("documents_in"), 3);
  EXPECT_EQ(report.at("train").at("documents"), 1);
  EXPECT_EQ(report.at("validation").at("documents"), 1);
  EXPECT_EQ(report.at("dropped").at(2).at("reason"), "duplicate");
  EXPECT_EQ(report,
            nlohmann::json::parse(read_file(dir_ / "out" / "report.json")));
}

TEST_F(DataCommand, FailsInOneLine) {
  expect_one_line(run("none.txt --tokenizer tok -o out"), 1,
                  "none.txt: cannot open");
  expect_one_line(run("a.jsonl --tokenizer none -o out"), 1, "none");
  expect_one_line(run("a.jsonl --tokenizer tok -o out --invalid-utf8 guess"), 2,
                  "guess");
  EXPECT_EQ(run("a.jsonl --tokenizer tok").status, 2);
  EXPECT_EQ(run("a.jsonl --tokenizer tok -o out --seed x").status, 2);
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(DataCommand, AFullDiskLeavesTheOldCorpus) {
  ASSERT_EQ(run("a.jsonl --tokenizer tok -o out").status, 0);
  const std::string index = read_file(dir_ / "out" / "index.json");
  std::string text;
  for (int i = 0; i < 30000; ++i) text += fmt::format("{} ", i);
  write_test_file(dir_ / "long.txt", text);
  // Writing beyond 8 blocks fails, as on a full disk.
  expect_one_line(
      run("long.txt --tokenizer tok -o out", "trap '' XFSZ; ulimit -f 8;"), 1,
      "out");
  EXPECT_EQ(read_file(dir_ / "out" / "index.json"), index);
  for (const auto& entry : fs::directory_iterator(dir_))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos)
        << entry.path();
}

}  // namespace
}  // namespace seodang
