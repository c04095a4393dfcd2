// `seodang data` as a user runs it.
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "data/small_tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

class DataCommand : public ScratchTest {
 protected:
  DataCommand() {
    fs::create_directory(dir_ / "tok");
    small_tokenizer().save(dir_ / "tok");
    write("a.jsonl",
          "{\"text\": \"The capital of Korea is Seoul.\"}\n"
          "{\"text\": \"대한민국의 수도는 서울입니다.\"}\n"
          "{\"text\": \"대한민국의 수도는 서울입니다.\"}\n");
  }

  Outcome data(const std::string& arguments, uint64_t largest_file = 0) const {
    return run(dir_, words("data " + arguments), largest_file);
  }
};

TEST_F(DataCommand, PrintsWhatItKeptAndDropped) {
  const Outcome table = data("a.jsonl --tokenizer tok -o out");
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_NE(table.out.find("a.jsonl:3: 대한민국의"), std::string::npos)
      << table.out;
  const auto report =
      nlohmann::json::parse(data("a.jsonl --tokenizer tok -o out --json").out);
  EXPECT_EQ(report.at("documents_in"), 3);
  EXPECT_EQ(report.at("train").at("documents"), 1);
  EXPECT_EQ(report.at("validation").at("documents"), 1);
  EXPECT_EQ(report.at("dropped").at(2).at("reason"), "duplicate");
  EXPECT_EQ(report, nlohmann::json::parse(read("out/report.json")));
}

TEST_F(DataCommand, FailsInOneLine) {
  expect_complaint(data("none.txt --tokenizer tok -o out"), 1,
                   "none.txt: cannot open");
  expect_complaint(data("a.jsonl --tokenizer none -o out"), 1, "none");
  expect_complaint(data("a.jsonl --tokenizer tok -o out --invalid-utf8 guess"),
                   2, "guess");
  EXPECT_EQ(data("a.jsonl --tokenizer tok").exit_code, 2);
  EXPECT_EQ(data("a.jsonl --tokenizer tok -o out --seed x").exit_code, 2);
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(DataCommand, AFullDiskLeavesTheOldCorpus) {
  ASSERT_EQ(data("a.jsonl --tokenizer tok -o out").exit_code, 0);
  const std::string index = read("out/index.json");
  std::string text;
  for (int i = 0; i < 30000; ++i) text += fmt::format("{} ", i);
  write("long.txt", text);
  expect_complaint(data("long.txt --tokenizer tok -o out", 4096), 1, "out");
  EXPECT_EQ(read("out/index.json"), index);
  for (const std::string& name : names())
    EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
}

}  // namespace
}  // namespace seodang
