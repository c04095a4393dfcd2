#include "upbringing/recipe.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

class RecipeTest : public ::testing::Test {
 protected:
  RecipeTest() {
    fs::create_directories(directory_);
    for (const char* name : {"b.txt", "a.txt", "c.jsonl"})
      std::ofstream(directory_ / name) << "x";
  }
  ~RecipeTest() override { fs::remove_all(directory_); }

  Recipe load(const std::string& text, std::optional<uint64_t> seed = {},
              const std::vector<std::string>& settings = {}) {
    std::ofstream(file_) << text;
    return load_recipe(file_, seed, settings);
  }

  // The message, with the recipe's directory left out.
  std::string refusal(const std::string& text,
                      const std::vector<std::string>& settings = {}) {
    try {
      load(text, {}, settings);
    } catch (const UsageError& error) {
      std::string message = error.what();
      const std::string prefix = directory_.string() + "/";
      if (message.starts_with(prefix)) message.erase(0, prefix.size());
      return message;
    }
    return "accepted";
  }

  fs::path directory_ =
      fs::path(::testing::TempDir()) /
      (std::string("recipe_") +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
  fs::path file_ = directory_ / "mine.toml";
};

TEST_F(RecipeTest, ReadsEverySection) {
  const Recipe recipe = load(R"(
seed = 7
[corpus]
texts = ["*.txt", "c.jsonl"]
examples = "c.jsonl"
[tokenizer]
vocab-size = 4096
[data]
validation = 0.05
[pretrain]
size = "demo"
steps = 1500
learning-rate = 1     # a whole number serves as a number
sample = ["나는", "The"]
[instruct]
seed = 9
replay = 0.25
recompute = true
[eval]
limit = 5
[report]
compare = ["대한민국의 수도는?"]
)");
  EXPECT_EQ(recipe.name, "mine");
  ASSERT_EQ(recipe.corpus.texts.size(), 3u);
  EXPECT_EQ(recipe.corpus.texts[0].filename(), "a.txt");
  EXPECT_EQ(recipe.corpus.texts[1].filename(), "b.txt");
  EXPECT_EQ(recipe.corpus.examples.size(), 1u);
  EXPECT_EQ(recipe.tokenizer.bpe.vocab_size, 4096);
  EXPECT_EQ(recipe.data.validation, 0.05);
  EXPECT_EQ(recipe.data.seed, 7u);
  EXPECT_EQ(recipe.pretrain.size, "demo");
  EXPECT_EQ(recipe.pretrain.train.steps, 1500);
  EXPECT_EQ(recipe.pretrain.train.learning_rate, 1.0);
  EXPECT_EQ(recipe.pretrain.train.sample,
            (std::vector<std::string>{"나는", "The"}));
  EXPECT_EQ(recipe.pretrain.train.seed, 7u);
  EXPECT_EQ(recipe.instruct.train.seed, 9u);
  EXPECT_EQ(recipe.instruct.replay, 0.25);
  EXPECT_TRUE(recipe.instruct.train.recompute);
  EXPECT_EQ(recipe.eval.limit, 5);
  EXPECT_EQ(recipe.report.compare.size(), 1u);
}

TEST_F(RecipeTest, SeedOfTheCommandLineStandsIn) {
  const Recipe recipe = load("seed = 7\n[corpus]\ntexts = 'a.txt'", 3);
  EXPECT_EQ(recipe.data.seed, 3u);
  EXPECT_EQ(recipe.pretrain.train.seed, 3u);
  EXPECT_EQ(recipe.instruct.train.seed, 3u);
  EXPECT_EQ(recipe.eval.seed, 3u);
}

TEST_F(RecipeTest, SettingsOfTheCommandLineStandIn) {
  const std::string text =
      "[corpus]\ntexts = \"a.txt\"\n[pretrain]\nsteps = 5\nsize = \"demo\"\n";
  const Recipe recipe =
      load(text, {},
           {"pretrain.steps=7", "pretrain.size=mini", "instruct.replay = 0",
            "report.compare=[\"a\", \"b\"]", "name=other"});
  EXPECT_EQ(recipe.pretrain.train.steps, 7);
  EXPECT_EQ(recipe.pretrain.size, "mini");
  EXPECT_EQ(recipe.instruct.replay, 0);
  EXPECT_EQ(recipe.report.compare, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(recipe.name, "other");

  EXPECT_EQ(refusal(text, {"pretrain.stepz=7"}),
            "--set pretrain.stepz=7: [pretrain] stepz: no such key; the "
            "nearest is 'steps'");
  EXPECT_EQ(refusal(text, {"pretrain.steps=many"}),
            "--set pretrain.steps=many: [pretrain] steps must be a whole "
            "number");
  EXPECT_EQ(refusal(text, {"steps"}),
            "--set steps: expected SECTION.KEY=VALUE");
  EXPECT_NE(refusal(text, {"a b=1"}).find("--set a b=1: "), std::string::npos);
  EXPECT_NE(refusal(text, {"corpus.permute=true"}).find("needs 'weave'"),
            std::string::npos);
}

TEST_F(RecipeTest, UnknownKeysNameTheNearest) {
  EXPECT_EQ(refusal("[corpus]\ntexts = 'a.txt'\n[pretrain]\nlearning_rate = 1"),
            "mine.toml:4: [pretrain] learning_rate: no such key; the nearest "
            "is 'learning-rate'");
  EXPECT_EQ(refusal("[corpus]\ntexts = 'a.txt'\n\n[pretrian]\nsteps = 1"),
            "mine.toml:4: pretrian: no such section; the nearest is "
            "'pretrain'");
  EXPECT_EQ(refusal("sead = 1\n[corpus]\ntexts = 'a.txt'"),
            "mine.toml:1: sead: no such key; the nearest is 'seed'");
}

TEST_F(RecipeTest, WrongValuesNameFileAndLine) {
  const std::string corpus = "[corpus]\ntexts = 'a.txt'\n[pretrain]\n";
  EXPECT_EQ(refusal(corpus + "steps = 1.5"),
            "mine.toml:4: [pretrain] steps must be a whole number");
  EXPECT_EQ(refusal(corpus + "steps = true"),
            "mine.toml:4: [pretrain] steps must be a whole number");
  EXPECT_EQ(refusal(corpus + "clip = 'much'"),
            "mine.toml:4: [pretrain] clip must be a number");
  EXPECT_EQ(refusal(corpus + "clip = nan"),
            "mine.toml:4: [pretrain] clip must be a finite number");
  EXPECT_EQ(refusal(corpus + "recompute = 1"),
            "mine.toml:4: [pretrain] recompute must be true or false");
  EXPECT_EQ(refusal(corpus + "size = 3"),
            "mine.toml:4: [pretrain] size must be a text in quotes");
  EXPECT_EQ(refusal(corpus + "sample = ['a', 3]"),
            "mine.toml:4: [pretrain] sample must be a list of texts");
  EXPECT_EQ(refusal(corpus + "hidden-size = 3000000000"),
            "mine.toml:4: [pretrain] hidden-size = 3000000000 is out of range");
  EXPECT_EQ(refusal(corpus + "warmup = 1.5"),
            "mine.toml:4: [pretrain] warmup must be from 0 to 1");
  EXPECT_EQ(refusal(corpus + "schedule = 'linear'"),
            "mine.toml:4: [pretrain] schedule must be wsd or cosine");
  EXPECT_EQ(refusal("seed = -1\n" + corpus),
            "mine.toml:1: seed = -1 is out of range");
  EXPECT_EQ(refusal("tokenizer = 3\n" + corpus),
            "mine.toml:1: tokenizer must be a section: [tokenizer]");
}

TEST_F(RecipeTest, FilesThatAreNotThere) {
  EXPECT_EQ(refusal("[corpus]\n\ntexts = ['a.txt', 'z*.txt']"),
            "mine.toml:3: [corpus] texts: no file matches 'z*.txt' in " +
                directory_.string());
  EXPECT_EQ(refusal("[pretrain]\nsteps = 1"),
            "mine.toml: [corpus] needs either 'weave' or 'texts'");
  EXPECT_EQ(refusal("[corpus]\nweave = 'a.txt'\ntexts = 'b.txt'"),
            "mine.toml: [corpus] needs either 'weave' or 'texts', not both");
  EXPECT_THROW(load_recipe(directory_ / "none.toml"), Error);
}

TEST_F(RecipeTest, BrokenTomlNamesTheLine) {
  EXPECT_TRUE(refusal("seed = 1\nname = 'x").starts_with("mine.toml:2: "));
  EXPECT_TRUE(refusal(std::string("\0\1\2", 3)).starts_with("mine.toml:1: "));
  EXPECT_EQ(refusal("name = '../x'\n[corpus]\ntexts = 'a.txt'"),
            "mine.toml: name '../x' cannot name a directory");
}

}  // namespace
}  // namespace seodang
