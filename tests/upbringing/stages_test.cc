#include "upbringing/stages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

// Three stages in a row: upper case of the source, then doubled, then counted.
// `ran` tells which of them really worked.
class StagesTest : public ::testing::Test {
 protected:
  StagesTest() {
    fs::remove_all(run_);
    fs::create_directories(run_);
    write_text(source_, "abc");
  }
  ~StagesTest() override { fs::remove_all(run_.parent_path()); }

  std::vector<Stage> stages() {
    Stage upper{.name = "upper", .output = run_ / "upper"};
    upper.options = {{"style", style_}};
    upper.inputs = [this] { return std::vector{source_}; };
    upper.run = [this] {
      if (fail_) throw Error("source: out of ink");
      left_over_ = fs::exists(run_ / "upper/draft");
      std::string text = read_file(source_);
      for (char& c : text) c = static_cast<char>(std::toupper(c));
      write_text(run_ / "upper/text", text);
      write_text(run_ / "upper/metrics.jsonl", std::to_string(++clock_));
      ran_.push_back("upper");
      return json{{"length", text.size()}};
    };
    Stage twice{.name = "twice", .output = run_ / "twice"};
    twice.inputs = [this] { return std::vector{run_ / "upper"}; };
    twice.run = [this] {
      const std::string text = read_file(run_ / "upper/text");
      write_text(run_ / "twice/text", text + text);
      ran_.push_back("twice");
      return json();
    };
    Stage count{.name = "count", .output = run_ / "count.txt"};
    count.inputs = [this] { return std::vector{run_ / "twice"}; };
    count.run = [this] {
      const size_t length = read_file(run_ / "twice/text").size();
      write_text(run_ / "count.txt", std::to_string(length));
      ran_.push_back("count");
      return json();
    };
    return {upper, twice, count};
  }

  std::vector<std::string> ran(const std::vector<std::string>& force = {}) {
    ran_.clear();
    reasons_.clear();
    run_stages(stages(), force, [this](const StageOutcome& outcome) {
      reasons_[outcome.name] = outcome.reason;
    });
    return ran_;
  }

  using Names = std::vector<std::string>;
  fs::path run_ =
      fs::path(::testing::TempDir()) /
      (std::string("stages_") +
       ::testing::UnitTest::GetInstance()->current_test_info()->name()) /
      "run";
  fs::path source_ = run_.parent_path() / "source.txt";
  std::string style_ = "plain";
  bool fail_ = false, left_over_ = false;
  int clock_ = 0;
  std::vector<std::string> ran_;
  std::map<std::string, std::string> reasons_;
};

TEST_F(StagesTest, DoesNothingTwice) {
  EXPECT_EQ(ran(), (Names{"upper", "twice", "count"}));
  EXPECT_EQ(reasons_["upper"], "new");
  EXPECT_EQ(read_file(run_ / "count.txt"), "6");
  EXPECT_EQ(read_stamp(run_, "upper")["result"]["length"], 3);
  EXPECT_EQ(ran(), Names{});
  EXPECT_EQ(reasons_["count"], "");
}

TEST_F(StagesTest, TouchingAFileChangesNothing) {
  ran();
  fs::last_write_time(source_, fs::file_time_type::clock::now());
  EXPECT_EQ(ran(), Names{});
}

TEST_F(StagesTest, ChangedInputRunsThatStageAndThoseAfterIt) {
  ran();
  write_text(source_, "abcd");
  EXPECT_EQ(ran(), (Names{"upper", "twice", "count"}));
  EXPECT_EQ(reasons_["upper"], "source.txt changed");
  EXPECT_EQ(reasons_["count"], "twice changed");
  EXPECT_EQ(read_file(run_ / "count.txt"), "8");
}

TEST_F(StagesTest, ChangedOptionThatChangesNoOutputStopsThere) {
  ran();
  style_ = "cursive";
  EXPECT_EQ(ran(), Names{"upper"});
  EXPECT_EQ(reasons_["upper"], "style changed");
}

TEST_F(StagesTest, ForcedStageRunsAlone) {
  ran();
  EXPECT_EQ(ran({"twice"}), Names{"twice"});
  EXPECT_THROW(ran({"thrice"}), UsageError);
}

TEST_F(StagesTest, DamagedOrDeletedOutputIsMadeAgain) {
  ran();
  write_text(run_ / "twice/text", "ABCAB");
  EXPECT_EQ(ran(), Names{"twice"});
  fs::remove(run_ / "count.txt");
  EXPECT_EQ(ran(), Names{"count"});
  write_text(run_ / "stages/count.json", "{\"options\": 3");
  EXPECT_EQ(ran(), Names{"count"});
  EXPECT_EQ(ran(), Names{});
}

TEST_F(StagesTest, FailureNamesTheStageAndIsResumed) {
  fail_ = true;
  try {
    ran();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "stage upper: source: out of ink");
  }
  write_text(run_ / "upper/draft", "half");
  fail_ = false;
  EXPECT_EQ(ran(), (Names{"upper", "twice", "count"}));
  EXPECT_EQ(reasons_["upper"], "resumed");
  EXPECT_TRUE(left_over_);
}

TEST_F(StagesTest, InterruptedUnderOtherOptionsStartsAfresh) {
  fail_ = true;
  EXPECT_THROW(ran(), Error);
  write_text(run_ / "upper/draft", "half");
  fail_ = false;
  style_ = "cursive";
  ran();
  EXPECT_EQ(reasons_["upper"], "style changed");
  EXPECT_FALSE(left_over_);
}

TEST_F(StagesTest, NeverRemovesWhatItDidNotMake) {
  write_text(run_ / "upper/diary.txt", "dear diary");
  EXPECT_THROW(ran(), UsageError);
  EXPECT_EQ(read_file(run_ / "upper/diary.txt"), "dear diary");
}

TEST_F(StagesTest, FingerprintSeesNamesAndBytesButNotRecords) {
  ran();
  const std::string before = fingerprint(run_ / "upper");
  write_text(run_ / "upper/metrics.jsonl", "other");
  write_text(run_ / "upper/training.json", "other");
  write_text(run_ / "upper/checkpoint-7/model", "other");
  EXPECT_EQ(fingerprint(run_ / "upper"), before);
  fs::rename(run_ / "upper/text", run_ / "upper/texts");
  EXPECT_NE(fingerprint(run_ / "upper"), before);
  EXPECT_THROW(fingerprint(run_ / "nothing"), Error);
}

}  // namespace
}  // namespace seodang
