#include "generate/model_kind.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/rng.h"
#include "generate/end_tokens.h"
#include "generate/probe.h"
#include "generate/tiny_model.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

constexpr int64_t kWidth = 48;

// An embedding as training leaves it: rows that occurred stand apart, the
// others were all driven to one place and differ by noise.
class Embedding {
 public:
  explicit Embedding(const Tokenizer& tokenizer)
      : rows_(tokenizer.vocab_size()),
        values_(static_cast<size_t>(rows_ * kWidth)) {
    Rng rng(7);
    for (int64_t row = 0; row < rows_; ++row)
      for (int64_t i = 0; i < kWidth; ++i)
        at(row, i) = static_cast<float>(rng.normal());
    for (int byte = 0; byte < 256; ++byte) {
      const char text = static_cast<char>(byte);
      if (byte == 0xC0 || byte == 0xC1 || byte >= 0xF5)
        forget(*tokenizer.find({&text, 1}));
    }
    for (const char* name : {"<|start_header_id|>", "<|end_header_id|>",
                             "<|eot_id|>", "<|finetune_right_pad_id|>"})
      forget(*tokenizer.find(name));
  }

  // `by` of the length that the noise has.
  void train(int32_t row, double by) {
    for (int64_t i = 0; i < kWidth; ++i)
      at(row, i) += static_cast<float>(0.02 * by);
  }

  Tensor view() { return {values_.data(), Dtype::f32, rows_, kWidth}; }

 private:
  float& at(int64_t row, int64_t i) {
    return values_[static_cast<size_t>(row * kWidth + i)];
  }
  void forget(int64_t row) {
    Rng noise(1000 + static_cast<uint64_t>(row));
    for (int64_t i = 0; i < kWidth; ++i)
      at(row, i) = static_cast<float>(i % 3 + 0.02 * noise.normal());
  }

  int64_t rows_;
  std::vector<float> values_;
};

bool mentions(const KindVerdict& verdict, std::string_view part) {
  return std::ranges::any_of(verdict.evidence(),
                             [&](const std::string& evidence) {
                               return evidence.find(part) != std::string::npos;
                             });
}

TEST(ModelKind, TellsTrainedSpecialTokensFromOthers) {
  Tokenizer tokenizer = tiny_tokenizer();
  tokenizer.set_chat_template(kLlama3ChatTemplate);
  Embedding embedding(tokenizer);
  const auto judge = [&] {
    return judge_kind("model", tokenizer, {}, embedding.view());
  };
  EXPECT_TRUE(mentions(
      judge(),
      "never trained: <|start_header_id|>, <|end_header_id|>, <|eot_id|>"));
  embedding.train(*tokenizer.find("<|start_header_id|>"), 0.2);
  EXPECT_TRUE(mentions(judge(), "never trained"));
  embedding.train(*tokenizer.find("<|eot_id|>"), 5);
  EXPECT_TRUE(mentions(judge(), "special tokens trained: <|eot_id|>"));
  EXPECT_FALSE(mentions(judge(), "start_header_id"));
}

TEST(ModelKind, WithoutRowsToCompareItSaysNothingOfThem) {
  Tokenizer tokenizer = tiny_tokenizer();
  tokenizer.set_chat_template(kLlama3ChatTemplate);
  Embedding embedding(tokenizer);
  const Tensor all = embedding.view();
  EXPECT_FALSE(mentions(judge_kind("m", tokenizer, {}), "trained"));
  EXPECT_FALSE(mentions(judge_kind("m", tokenizer, {}, all.rows_from(0, 20)),
                        "trained"));
}

TEST(ModelKind, ReadsNames) {
  const Tokenizer tokenizer = tiny_tokenizer();
  const auto kind = [&](const char* name) {
    return judge_kind(name, tokenizer, {}).kind();
  };
  for (const char* name :
       {"Llama-3.2-1B-Instruct", "gemma-3-1b-it", "Llama-2-7b-chat-hf",
        "runs/zephyr-7b-dpo", "mine-SFT/", "EXAONE-IF", "tulu_base_sft",
        "Qwen3-4B-Instruct-Q4_0.gguf"})
    EXPECT_EQ(kind(name), ModelKind::instruct) << name;
  for (const char* name : {"Llama-3.2-1B", "gemma-3-1b-pt", "Qwen3-4B-Base",
                           "italian", "chatty", "instructions/7b"})
    EXPECT_EQ(kind(name), ModelKind::base) << name;
}

// Gemma's GGUF files name <eos> and not <end_of_turn>.
TEST(ModelKind, AGgufFileThatNamesOneEosIsJudgedAsItsDirectory) {
  Tokenizer tokenizer = tiny_tokenizer();
  tokenizer.set_chat_template(kLlama3ChatTemplate);
  const std::vector<int32_t> eot = {*tokenizer.find("<|eot_id|>")};
  EXPECT_EQ(judge_kind("model", tokenizer, eot).kind(), ModelKind::instruct);
  const KindVerdict gguf = judge_kind("model.gguf", tokenizer, {});
  EXPECT_EQ(gguf.kind(), ModelKind::instruct);
  EXPECT_GT(gguf.confidence(), judge_kind("m", tokenizer, {}).confidence());
  tokenizer.set_chat_template("");
  EXPECT_EQ(judge_kind("model.gguf", tokenizer, {}).kind(), ModelKind::base);
}

TEST(ModelKind, ConfidenceGrowsWithAgreement) {
  Tokenizer tokenizer = tiny_tokenizer();
  const std::vector<int32_t> eot = {*tokenizer.find("<|eot_id|>")};
  const KindVerdict bare = judge_kind("model", tokenizer, {});
  const KindVerdict torn = judge_kind("model", tokenizer, eot);
  tokenizer.set_chat_template(kLlama3ChatTemplate);
  const KindVerdict both = judge_kind("model", tokenizer, eot);
  const KindVerdict named = judge_kind("model-Instruct", tokenizer, eot);
  const KindVerdict denied = judge_kind("model-base", tokenizer, eot);
  EXPECT_EQ(bare.kind(), ModelKind::base);
  EXPECT_EQ(both.kind(), ModelKind::instruct);
  EXPECT_EQ(denied.kind(), ModelKind::base);
  EXPECT_DOUBLE_EQ(torn.confidence(), 0.5);
  EXPECT_LT(torn.confidence(), both.confidence());
  EXPECT_LT(both.confidence(), named.confidence());
  EXPECT_LT(denied.confidence(), bare.confidence() + 0.05);
  EXPECT_LT(named.confidence(), 1);
}

TEST(ModelKind, GenerationConfigDeclaresEndTokensToo) {
  const auto dir = scratch_directory();
  ModelConfig config;
  config.eos_token_id = {7};
  EXPECT_EQ(declared_eos(dir, config), std::vector<int32_t>{7});
  write_file(dir / "generation_config.json", R"({"eos_token_id": [9, 7, 3]})");
  EXPECT_EQ(declared_eos(dir, config), (std::vector<int32_t>{3, 7, 9}));
  write_file(dir / "generation_config.json", R"({"eos_token_id": "x"})");
  EXPECT_NE(error_of([&] { declared_eos(dir, config); }).find("eos_token_id"),
            std::string::npos);
}

TEST(ModelKind, AnswersWeigh) {
  const auto judge = [](bool stopped, bool answered) {
    KindVerdict verdict;
    judge_answers({{"?", true, "", stopped, answered},
                   {"?", true, "", stopped, answered}},
                  verdict);
    return verdict;
  };
  EXPECT_EQ(judge(true, true).kind(), ModelKind::instruct);
  EXPECT_EQ(judge(false, false).kind(), ModelKind::base);
  EXPECT_EQ(judge(true, false).evidence()[0],
            "asked through its template, it stopped in 2 of 2 and answered in "
            "0");
}

TEST(ModelKind, ProbeAsksInBothWays) {
  const auto dir = scratch_directory();
  const auto base =
      LanguageModel::load(write_tiny_model(dir / "one", false), Dtype::f32);
  const auto instruct =
      LanguageModel::load(write_tiny_model(dir / "two", true), Dtype::f32);
  const auto bare = probe(base), both = probe(instruct);
  EXPECT_EQ(both.size(), 2 * bare.size());
  EXPECT_TRUE(std::ranges::none_of(bare, &ProbeAnswer::through_template));
  EXPECT_EQ(std::ranges::count(both, true, &ProbeAnswer::through_template),
            std::ssize(bare));
  for (const ProbeAnswer& answer : both)
    EXPECT_TRUE(answer.stopped || !answer.answered);
}

}  // namespace
}  // namespace seodang
