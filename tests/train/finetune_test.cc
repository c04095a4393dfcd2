// Fine-tuning of a tiny model, which knows two answers, to a third.
#include "train/finetune.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "data/encoded_conversations.h"
#include "error_of.h"
#include "eval/forgetting.h"
#include "formats/json.h"
#include "generate/language_model.h"
#include "model/model.h"
#include "train/loop.h"
#include "train/tiny_base.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

class Finetune : public testing::Test {
 protected:
  static nlohmann::json report_of(const FinetuneOptions& o) {
    return nlohmann::json::parse(finetune(o).forgetting);
  }
  static void SetUpTestSuite() {
    fs::remove_all(kDir);
    fs::create_directories(kDir);
    write_file(kDir / "known.jsonl",
               R"({"instruction": "capital?", "output": "Seoul."}
{"instruction": "the cat?", "output": "On the mat."}
)");
    write_file(kDir / "general.jsonl",
               R"({"id": "c", "instruction": "capital?", "answers": ["Seoul"]}
{"id": "m", "instruction": "the cat?", "answers": ["mat"]}
)");
    write_file(kDir / "texts.jsonl", R"({"text": "the cat sat on the hat"})");
    write_file(kDir / "task.jsonl",
               R"({"prompt": "where?", "completion": "Hats: here."}
{"prompt": "when?", "completion": "Hats: now."}
)");
    write_file(kDir / "scorer.toml",
               "[[check]]\nname = \"form\"\nmatch = '^Hats: '\n");
    write_tiny_instruct(kDir, kDir / "known.jsonl");
  }

  static void TearDownTestSuite() { fs::remove_all(kDir); }

  // Leaves `name` as its output.
  static FinetuneOptions options(const char* name) {
    FinetuneOptions o;
    o.tuning.base = kDir / "instruct";
    o.tuning.examples = {kDir / "task.jsonl"};
    o.tuning.output = kDir / name;
    o.tuning.replay = o.tuning.validation = 0;
    o.tuning.train.steps = 40;
    o.tuning.train.batch_tokens = 128;
    o.tuning.train.learning_rate = 0.01;
    o.tuning.train.validate_every = 20;
    o.test = {kDir / "task.jsonl"};
    o.scorer = kDir / "scorer.toml";
    o.general = {kDir / "general.jsonl", kDir / "texts.jsonl"};
    return o;
  }
  static FinetuneOptions keeping(const char* name) {
    FinetuneOptions o = options(name);
    o.keep = 0.9;
    o.general = {kDir / "general.jsonl"};
    o.tuning.replay_examples = {kDir / "known.jsonl"};
    o.tuning.replay = 0.5;
    o.tuning.distill = 1;
    o.tuning.train.steps = 160;
    o.tuning.train.validate_every = 80;
    return o;
  }

  // Each test is a process of its own, and they run side by side.
  static inline const fs::path kDir =
      fs::path(testing::TempDir()) /
      fmt::format("seodang_finetune-{}", ::getpid());
};

// It learns the task and forgets the rest, and the report says both, as an
// evaluation of the two models does.
TEST_F(Finetune, TellsWhatWasForgotten) {
  const FinetuneOptions o = options("plain");
  const auto report = report_of(o);
  EXPECT_EQ(report["task"]["task"][0], 0.5);  // it ends by itself: one of two
  EXPECT_EQ(report["task"]["task"][1], 1.0);
  EXPECT_LT(report["kept"], 0.6);
  EXPECT_EQ(report["budget"], 0.0);
  EXPECT_EQ(report["met"], true);
  ASSERT_EQ(report["frontier"].size(), 2u);
  EXPECT_EQ(report["frontier"][0]["step"], 20);
  EXPECT_EQ(report["frontier"][1]["chosen"], true);
  EXPECT_FALSE(report["lost"].empty());

  const EvaluationReport eval =
      evaluate({o.tuning.base, o.tuning.output},
               {load_suite(o.general[0]), load_suite(o.general[1])}, {});
  const KeptMetrics kept = kept_metrics(eval.models[0], eval.models[1]);
  EXPECT_NEAR(report["general"]["general"]["correct"][1],
              kept.at("general").at("correct").after, 1e-6);
  EXPECT_NEAR(report["general"]["texts"]["perplexity"][1],
              kept.at("texts").at("perplexity").after,
              0.02 * kept.at("texts").at("perplexity").after);
}

// Near the start on what is replayed, and at the point of the line that meets
// the budget; the same twice over.
TEST_F(Finetune, KeepsItsBudget) {
  for (const bool lora : {false, true}) {
    FinetuneOptions o = keeping(lora ? "kept-lora" : "kept");
    o.tuning.lora = lora;
    const auto report = report_of(o);
    EXPECT_GE(report["kept"], 0.9) << report;
    EXPECT_EQ(report["met"], true);
    EXPECT_GT(report["task"]["task"][1], 0.5) << report;
    double best = 0, chosen = 0;
    for (const auto& point : report["frontier"]) {
      if (point["step"] < 160) continue;
      if (point["kept"] >= 0.9) best = std::max(best, double{point["task"]});
      if (point["chosen"]) chosen = point["task"];
    }
    EXPECT_EQ(chosen, best);
    const std::string file =
        lora ? "adapter_model.safetensors" : "model.safetensors";
    const std::string once = read_file(o.tuning.output / file);
    o.tuning.output = kDir / "again";
    fs::remove_all(o.tuning.output);
    EXPECT_EQ(report_of(o), report);
    EXPECT_EQ(read_file(o.tuning.output / file), once);
  }
}

// Rows of tokens that the examples do not have are the start's to the bit, all
// others have learned.
TEST_F(Finetune, UnseenTokensKeepTheirRows) {
  FinetuneOptions o = options("unseen");
  o.tuning.freeze_embeddings = "unseen";
  finetune(o);
  const Tokenizer tokenizer = Tokenizer::load(o.tuning.output);
  std::vector<Conversation> examples = read_conversations(o.tuning.examples[0]);
  const ConversationSet set = encode_conversations(
      tokenizer, std::span<const Conversation>(examples), {.max_length = 64});
  const std::set<int32_t> seen(set.tokens.begin(), set.tokens.end());
  const Model before = Model::load(o.tuning.base, Dtype::f32);
  const Model after = Model::load(o.tuning.output, Dtype::f32);
  int64_t unseen = 0;
  for (int32_t token = 0; token < before.config().vocab_size; ++token) {
    const auto row = [&](const Model& model) {
      const Tensor rows = model.weights().embed_tokens;
      return std::vector(rows.row<float>(token),
                         rows.row<float>(token) + rows.cols);
    };
    EXPECT_EQ(row(before) == row(after), !seen.contains(token)) << token;
    unseen += !seen.contains(token);
  }
  EXPECT_GT(unseen, 10);
}

// Another budget, scorer or suite is another run, not the same one done.
TEST_F(Finetune, WhatItIsMeasuredWithIsPartOfARun) {
  FinetuneOptions o = options("measured");
  finetune(o);
  EXPECT_EQ(finetune(o).train.steps, 40);  // done already
  o.keep = 0.5;
  EXPECT_NE(error_of([&] { finetune(o); }).find("keep = 0, now it is 0.5"),
            std::string::npos)
      << error_of([&] { finetune(o); });
  o.keep = 0;
  o.general.pop_back();
  EXPECT_NE(error_of([&] { finetune(o); }).find("general = "),
            std::string::npos);
}

// Nothing to measure with is no error where no budget is asked for.
TEST_F(Finetune, MayMeasureNothing) {
  FinetuneOptions o = options("unmeasured");
  o.test.clear();
  o.general.clear();
  const auto report = report_of(o);
  EXPECT_TRUE(report["task"].empty());
  EXPECT_TRUE(report["general"].empty());
  EXPECT_EQ(report["frontier"].size(), 1u);
}

// Rounds after the planned steps double the teacher's weight at a low rate.
TEST(Repair, FollowsThePlannedSteps) {
  const Repair repair = {.steps = 10, .rounds = 2, .observe_every = 3};
  EXPECT_EQ(repair.round(100, 100), 0);
  EXPECT_EQ(repair.round(101, 100), 1);
  EXPECT_EQ(repair.round(110, 100), 1);
  EXPECT_EQ(repair.round(111, 100), 2);
  EXPECT_DOUBLE_EQ(repair.learning_rate_factor(101, 100), 0.2);
  EXPECT_DOUBLE_EQ(repair.learning_rate_factor(110, 100), 0.02);
  EXPECT_DOUBLE_EQ(repair.learning_rate_factor(111, 100), 0.2);
  EXPECT_EQ(Repair{}.round(101, 100), 0);
  EXPECT_FALSE(repair.observes(99, 100));
  EXPECT_FALSE(repair.observes(102, 100));
  EXPECT_TRUE(repair.observes(103, 100));
  EXPECT_TRUE(repair.observes(109, 100));
  EXPECT_TRUE(repair.observes(113, 100));
}

// Where nothing that does the task meets the budget, that is said, and an
// untuned model is no way out.
TEST_F(Finetune, ABudgetThatCannotBeMetIsNotClaimed) {
  FinetuneOptions o = options("strict");
  o.keep = 1;
  const auto report = report_of(o);
  EXPECT_EQ(report["met"], report["kept"] >= 1);
  EXPECT_EQ(report["met"], false);
  EXPECT_GE(report["task"]["task"][1], 0.75);
  EXPECT_EQ(report["frontier"].size(), 8u);
}

TEST_F(Finetune, BadInputEndsInOneLine) {
  const auto error = [](const FinetuneOptions& o) {
    return error_of([&] { finetune(o); });
  };
  FinetuneOptions o = keeping("bad");
  o.general.clear();
  EXPECT_NE(error(o).find("name suites with --general"), std::string::npos)
      << error(o);
  o = keeping("bad");
  o.test.clear();
  EXPECT_NE(error(o).find("no example is left to measure"), std::string::npos);
  o = keeping("bad");
  write_file(kDir / "bad.toml", "[[check]]\nname = \"x\"\nmatch = '('\n");
  o.scorer = kDir / "bad.toml";
  EXPECT_NE(error(o).find("bad.toml:3: [check] match: pattern"),
            std::string::npos)
      << error(o);
  o = options("bad");
  o.tuning.distill = 1;
  EXPECT_NE(error(o).find("--distill 1 needs --replay"), std::string::npos);
  o = keeping("bad");
  o.tuning.replay = 0.05;
  EXPECT_NE(error(o).find("no replayed example fits into the 6 tokens"),
            std::string::npos)
      << error(o);
  o = keeping("bad");
  write_file(kDir / "none.jsonl", "");
  o.general = {kDir / "none.jsonl"};
  EXPECT_NE(error(o).find("none.jsonl: no items"), std::string::npos);
}

}  // namespace
}  // namespace seodang
