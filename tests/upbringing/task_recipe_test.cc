#include "upbringing/task_recipe.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "error_of.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

class TaskRecipeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(directory_);
    fs::create_directories(directory_ / "runs/one/instruct");
    for (const char* name : {"task.jsonl", "known.jsonl", "scorer.toml"})
      write_file(directory_ / name, "x");
  }
  TaskRecipe load(const std::string& text,
                  const std::vector<std::string>& settings = {}) {
    write_file(file_, text);
    return load_task_recipe(file_, {}, settings);
  }
  static std::string with(const std::string& finetunes) {
    return "run = \"runs/one\"\nseed = 3\n[task]\nmodel = \"{run}/instruct\"\n"
           "examples = \"task.jsonl\"\nscorer = \"scorer.toml\"\nepochs = 2\n" +
           finetunes;
  }

  fs::path directory_ = fs::path(::testing::TempDir()) / "task_recipe";
  fs::path file_ = directory_ / "reports.toml";
};

// What [task] says holds for all; each [[finetune]] says more, or otherwise.
TEST_F(TaskRecipeTest, FinetunesShareTheTask) {
  const std::string text = with(
      "[[finetune]]\nname = \"plain\"\n[[finetune]]\nname = \"kept\"\n"
      "keep = 0.9\nepochs = 5\nlora = true\nreplay-examples = "
      "\"known.jsonl\"\n");
  const TaskRecipe recipe = load(text);
  EXPECT_TRUE(is_task_recipe(file_));
  EXPECT_EQ(recipe.name, "reports");
  ASSERT_EQ(recipe.finetunes.size(), 2u);
  const auto& [plain, first] = recipe.finetunes[0];
  const auto& [kept, second] = recipe.finetunes[1];
  EXPECT_EQ(plain, "plain");
  EXPECT_EQ(first.keep, 0);
  EXPECT_EQ(first.tuning.train.epochs, 2);
  EXPECT_EQ(first.tuning.train.seed, 3u);
  EXPECT_TRUE(
      fs::equivalent(first.tuning.base, directory_ / "runs/one/instruct"));
  EXPECT_TRUE(first.tuning.replay_examples.empty());
  EXPECT_EQ(kept, "kept");
  EXPECT_EQ(second.keep, 0.9);
  EXPECT_EQ(second.tuning.train.epochs, 5);
  EXPECT_TRUE(second.tuning.lora);
  EXPECT_EQ(second.tuning.replay_examples.size(), 1u);
  EXPECT_EQ(second.scorer.filename(), "scorer.toml");
  EXPECT_EQ(
      load(text, {"task.epochs=7"}).finetunes[0].second.tuning.train.epochs, 7);
  const auto stages = finetune_stages(recipe, directory_ / "out");
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[1].output, directory_ / "out/kept");
}

TEST_F(TaskRecipeTest, RefusesWhatIsWrong) {
  const auto error = [&](const std::string& text) {
    return error_of([&] { load(text); });
  };
  EXPECT_NE(error(with("")).find("no [[finetune]]"), std::string::npos);
  EXPECT_NE(error(with("[[finetune]]\nname = \"../x\"\n"))
                .find("cannot name a directory"),
            std::string::npos);
  EXPECT_NE(error(with("[[finetune]]\nname = \"a\"\n[[finetune]]\n"
                       "name = \"a\"\n"))
                .find("is another's too"),
            std::string::npos);
  EXPECT_NE(
      error(with("[[finetune]]\nname = \"a\"\nkeeps = 1\n")).find("'keep'"),
      std::string::npos)
      << error(with("[[finetune]]\nname = \"a\"\nkeeps = 1\n"));
  EXPECT_NE(error("[task]\nmodel = \"nowhere\"\n").find("no file matches"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
