// The whole upbringing through the program, on the example of docs/recipes.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/files.h"
#include "upbringing/recipe.h"
#include "upbringing/task_recipe.h"

extern char** environ;

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Said {
  int code = -1;
  std::string out, err;
};

class RaiseTest : public ::testing::Test {
 protected:
  RaiseTest() {
    fs::remove_all(place_);
    fs::create_directories(place_);
  }
  ~RaiseTest() override { fs::remove_all(place_); }

  // The dishes' recipe with so few steps that it teaches next to nothing.
  void write_recipe(const std::string& epochs = "1",
                    const std::string& pretrain = "") {
    std::ofstream(recipe_) << fmt::format(
        R"(
[corpus]
texts = ["{0}/dishes.txt"]
examples = ["{0}/questions.jsonl"]
suites = ["{0}/suites/*.jsonl"]
[tokenizer]
vocab-size = 400
[data]
near-duplicates = 0
[pretrain]
size = "nano"
steps = 12
batch-tokens = 256
checkpoint-every = 3
sample-every = 6
sample = ["잡채는"]
{2}
[instruct]
epochs = {1}
batch-tokens = 512
replay = 0.2
[eval]
max-tokens = 12
[report]
compare = ["삼계탕은 무엇으로 만드나요?"]
explain = ["잡채는"]
sources = ["</script><b>ours</b>"]
)",
        SEODANG_SOURCE_DIR "/recipes/dishes", epochs, pretrain);
  }

  pid_t start(const fs::path& run, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {SEODANG_PROGRAM, "raise", recipe_, "-o",
                                      run};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    for (const auto& [descriptor, name] :
         {std::pair{1, place_ / "out"}, std::pair{2, place_ / "err"}})
      posix_spawn_file_actions_addopen(&files, descriptor, name.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t child = -1;
    EXPECT_EQ(posix_spawn(&child, SEODANG_PROGRAM, &files, nullptr, argv.data(),
                          environ),
              0);
    posix_spawn_file_actions_destroy(&files);
    return child;
  }

  Said finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            read_file(place_ / "out"), read_file(place_ / "err")};
  }

  Said raise_in(const fs::path& run,
                const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = more;
    words.emplace_back("--json");
    return finish(start(run, words));
  }

  // Which stages ran, in order.
  static std::vector<std::string> ran(const Said& said) {
    EXPECT_EQ(said.code, 0) << said.err;
    std::vector<std::string> names;
    const json summary = json::parse(said.out);
    for (const json& stage : summary["stages"])
      if (stage["ran"]) names.push_back(stage["name"]);
    return names;
  }

  using Names = std::vector<std::string>;
  fs::path place_ =
      fs::path(::testing::TempDir()) /
      (std::string("raise_") +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
  fs::path recipe_ = place_ / "recipe.toml";
  fs::path run_ = place_ / "run";
};

TEST_F(RaiseTest, FromOwnFilesToTheReport) {
  write_recipe();
  EXPECT_EQ(ran(raise_in(run_)), (Names{"corpus", "tokenizer", "data", "base",
                                        "instruct", "eval", "report"}));
  for (const char* made :
       {"corpus/suites/heldout.ko.jsonl", "tokenizer/tokenizer.json",
        "data/index.json", "base/config.json", "base/model.safetensors",
        "instruct/model.safetensors", "instruct/tokenizer.json", "eval.json",
        "report.html"})
    EXPECT_TRUE(fs::is_regular_file(run_ / made)) << made;

  const json eval = json::parse(read_file(run_ / "eval.json"));
  ASSERT_EQ(eval["models"].size(), 2u);
  EXPECT_EQ(eval["models"][0]["suites"]["heldout.ko"]["n"], 6);
  EXPECT_TRUE(eval["delta"].contains("seen.ko"));

  const std::string page = read_file(run_ / "report.html");
  const size_t from = page.find("id=\"report\">") + 12;
  const json report =
      json::parse(page.substr(from, page.find("</script>", from) - from));
  EXPECT_EQ(report["models"].size(), 2u);
  EXPECT_EQ(report["corpus"]["examples"][0]["examples"], 54);
  EXPECT_EQ(report["answers"][0]["models"][0]["kind"], "base");
  EXPECT_EQ(report["answers"][0]["models"][1]["kind"], "instruct");
  EXPECT_EQ(report["explain"][0]["steps"].at(0)["top"].size(), 6u);
  EXPECT_EQ(report["sources"][0], "</script><b>ours</b>");
  EXPECT_FALSE(report["metrics"]["base"].empty());

  EXPECT_EQ(ran(raise_in(run_)), Names{});
  // What a terminal sees, also the second time, in the locale's language.
  for (const auto& [locale, stage, title] :
       {std::tuple{"C.UTF-8",
                   "[7/7] report: everything on one page (unchanged)",
                   "answer rate"},
        std::tuple{"ko_KR.UTF-8", "[7/7] report: 모든 결과를", "대답률"}}) {
    setenv("LC_ALL", locale, 1);
    const Said said = finish(start(run_));
    EXPECT_NE(said.err.find(stage), std::string::npos) << said.err;
    EXPECT_NE(said.out.find(title), std::string::npos) << said.out;
    EXPECT_NE(said.out.find("삼계탕은 무엇으로 만드나요?"), std::string::npos);
    EXPECT_NE(said.out.find("seodang chat " + (run_ / "instruct").string()),
              std::string::npos);
  }
  unsetenv("LC_ALL");
  write_recipe("2");
  EXPECT_EQ(ran(raise_in(run_)), (Names{"instruct", "eval", "report"}));
  EXPECT_EQ(ran(raise_in(run_, {"--force", "report"})), Names{"report"});
}

TEST_F(RaiseTest, KilledAndRaisedAgainGivesTheSameModel) {
  write_recipe();
  const pid_t child = start(run_);
  const auto has_checkpoint = [&] {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(run_ / "base", ignored))
      if (entry.path().filename().string().starts_with("checkpoint-"))
        return true;
    return false;
  };
  while (!has_checkpoint() && !fs::exists(run_ / "base/model.safetensors") &&
         waitpid(child, nullptr, WNOHANG) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);

  EXPECT_EQ(raise_in(run_).code, 0);
  EXPECT_EQ(raise_in(place_ / "undisturbed").code, 0);
  for (const char* model : {"base", "instruct"})
    EXPECT_TRUE(read_file(run_ / model / "model.safetensors") ==
                read_file(place_ / "undisturbed" / model / "model.safetensors"))
        << model;
}

TEST_F(RaiseTest, MistakesAreOneClearLine) {
  write_recipe("1", "stepz = 3");
  Said said = raise_in(run_);
  EXPECT_EQ(said.code, 2);
  EXPECT_EQ(said.err, fmt::format("seodang: {}:17: [pretrain] stepz: no such "
                                  "key; the nearest is 'steps'\n",
                                  recipe_.string()));

  write_recipe();
  said = raise_in(run_, {"--force", "eating"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("the stages are corpus, tokenizer, data, base"),
            std::string::npos);

  std::ofstream(place_ / "text.txt") << "하나 둘 셋";
  std::ofstream(place_ / "bad.jsonl") << "{\"instruction\": \n";
  std::ofstream(recipe_)
      << "[corpus]\ntexts = 'text.txt'\nexamples = 'bad.jsonl'\n";
  said = raise_in(place_ / "bad");
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("seodang: stage corpus: "), std::string::npos);
  EXPECT_NE(said.err.find("bad.jsonl:1"), std::string::npos);
}

TEST(RecipesTest, ThoseShippedAreSound) {
  // What the demo's run has when a task's recipe begins.
  const fs::path run = fs::path(testing::TempDir()) / "shipped";
  for (const char* directory : {"instruct", "replay", "corpus/tasks"})
    fs::create_directories(run / directory);
  for (const char* file :
       {"instruct.jsonl", "tasks/report.train.jsonl", "tasks/report.test.jsonl",
        "tasks/report.others.jsonl"})
    write_file(run / "corpus" / file, "");
  for (const auto& entry :
       fs::directory_iterator(SEODANG_SOURCE_DIR "/recipes")) {
    if (entry.path().extension() != ".toml") continue;
    if (is_task_recipe(entry.path()))
      EXPECT_NO_THROW(
          load_task_recipe(entry.path(), {}, {"run=" + run.string()}))
          << entry.path();
    else
      EXPECT_NO_THROW(load_recipe(entry.path())) << entry.path();
  }
}

}  // namespace
}  // namespace seodang
