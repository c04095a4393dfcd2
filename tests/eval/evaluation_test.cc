#include "eval/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "data/conversations.h"
#include "generate/generation.h"
#include "generate/scoring.h"
#include "generate/tiny_model.h"

namespace seodang {
namespace {

Suite questions() {
  Suite suite;
  suite.name = "capitals";
  suite.questions = {{"KR",
                      "capital",
                      "대한민국의 수도는?",
                      "",
                      {"서울"},
                      {"도쿄", "파리", "로마"},
                      "대한민국의 수도는"},
                     {"JP",
                      "capital",
                      "Capital of Japan?",
                      "",
                      {"Tokyo"},
                      {"Seoul", "Paris", "Rome"},
                      "The capital of Japan is"},
                     {"X",
                      "reading",
                      "Find the capital.",
                      "Paris is large.",
                      {"Paris"},
                      {},
                      ""}};
  return suite;
}

Suite texts(std::vector<std::string> list) {
  Suite suite;
  suite.name = "general";
  suite.texts = std::move(list);
  return suite;
}

class EvaluationTest : public testing::Test {
 protected:
  std::filesystem::path base_ =
      write_tiny_model(scratch_directory() / "base", false, 1);
  std::filesystem::path instruct_ =
      write_tiny_model(scratch_directory() / "instruct", true, 2);
};

// A base model also continues the frame, alone and behind the shots, up to the
// end of the line; an instruct model is asked once.
TEST_F(EvaluationTest, ABaseModelIsAlsoAskedInTheFrame) {
  Suite suite = questions();
  suite.frame = "Q: {question}\nA:";
  suite.shots = {{"Capital of France?", "Paris"}};
  const EvaluationReport report =
      evaluate({base_, instruct_}, {suite}, {.max_new_tokens = 6});
  const SuiteResult& base = report.models[0].suites[0];
  const LanguageModel model = LanguageModel::load(base_);
  double right = 0;
  for (const AnswerRecord& record : base.records) {
    ASSERT_TRUE(record.framed && record.few_shot);
    Session session(model.config(), model.weights());
    const Generation alone =
        generate(session, model.tokenizer(),
                 model.encode_text(framed(suite, record.prompt, 1)),
                 {.max_new_tokens = 6,
                  .end_tokens = model.end_tokens(),
                  .stop = {"\n"}});
    EXPECT_EQ(record.few_shot->text, alone.text);
    right += record.framed->correct;
  }
  EXPECT_EQ(base.metrics.at("correct_framed"), right / 3);
  const SuiteResult& instruct = report.models[1].suites[0];
  EXPECT_FALSE(instruct.records[0].framed);
  EXPECT_FALSE(instruct.metrics.contains("correct_framed"));
  const Delta& delta = report.delta.at("capitals").at("correct_framed");
  EXPECT_EQ(delta.before, base.metrics.at("correct_framed"));
  EXPECT_EQ(delta.after, instruct.metrics.at("correct"));
  // Without a frame there is nothing to compare.
  EXPECT_FALSE(
      evaluate({base_, instruct_}, {questions()}, {.max_new_tokens = 6})
          .delta.at("capitals")
          .contains("correct_framed"));
}

TEST_F(EvaluationTest, ScoresAreToldByKindOfQuestion) {
  const LanguageModel model = LanguageModel::load(base_);
  const SuiteResult result =
      evaluate(model, {questions()}, {.max_new_tokens = 6}).suites[0];
  const auto kinds = metrics_by_kind(result);
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds.at("capital").at("n"), 2);
  EXPECT_EQ(kinds.at("reading").at("n"), 1);
  EXPECT_FALSE(kinds.at("reading").contains("probe"));
  EXPECT_NEAR(kinds.at("capital").at("probe"), result.metrics.at("probe"),
              1e-12);
  EXPECT_NEAR((2 * kinds.at("capital").at("correct") +
               kinds.at("reading").at("correct")) /
                  3,
              result.metrics.at("correct"), 1e-12);
}

TEST_F(EvaluationTest, EachKindIsAskedAsItIsMeantToBe) {
  for (const auto& path : {base_, instruct_}) {
    const LanguageModel model = LanguageModel::load(path, Dtype::f32);
    const ModelResult result =
        evaluate(model, {questions()}, {.max_new_tokens = 6});
    const auto& records = result.suites[0].records;
    ASSERT_EQ(records.size(), 3u);
    EXPECT_EQ(records[2].prompt,
              instruction_prompt("Find the capital.", "Paris is large."));
    for (const AnswerRecord& record : records) {
      const Message message{"user", record.prompt};
      const auto prompt = model.kind() == ModelKind::base
                              ? model.encode_text(record.prompt)
                              : model.encode_chat({&message, 1});
      Session session(model.config(), model.weights());
      const Generation alone =
          generate(session, model.tokenizer(), prompt,
                   {.max_new_tokens = 6, .end_tokens = model.end_tokens()});
      EXPECT_EQ(record.text, alone.text);
      EXPECT_EQ(record.stop, name_of(alone.stop));
    }
  }
}

TEST_F(EvaluationTest, ProbeComparesTheFactsInTheSamePlainText) {
  const LanguageModel model = LanguageModel::load(instruct_, Dtype::f32);
  const SuiteResult result =
      evaluate(model, {questions()}, {.max_new_tokens = 2}).suites[0];
  double probe = 0, top1 = 0;
  for (size_t i = 0; i < 2; ++i) {
    const Question q = questions().questions[i];
    std::vector<double> p;
    for (const std::string& fact :
         {q.answers[0], q.wrong[0], q.wrong[1], q.wrong[2]}) {
      const std::vector<Continuation> one = {
          {model.encode_text(q.cloze), model.tokenizer().encode(" " + fact)}};
      p.push_back(
          std::exp(log_probabilities(model.config(), model.weights(), one)[0]));
    }
    const double right = p[0] / (p[0] + p[1] + p[2] + p[3]);
    EXPECT_NEAR(*result.records[i].probe, right, 1e-3);
    probe += right / 2;
    top1 += (p[0] > p[1] && p[0] > p[2] && p[0] > p[3]) / 2.0;
  }
  EXPECT_FALSE(result.records[2].probe.has_value());
  EXPECT_NEAR(result.metrics.at("probe"), probe, 1e-3);
  EXPECT_EQ(result.metrics.at("probe_top1"), top1);
}

TEST_F(EvaluationTest, PerplexityOfTextsShortAndLong) {
  const LanguageModel model = LanguageModel::load(base_, Dtype::f32);
  std::string lengthy;
  for (int i = 0; i < 40; ++i) lengthy += "The capital of 대한민국 is Seoul. ";
  const std::vector<std::string> list = {"서울", lengthy, "Tokyo."};
  const SuiteResult result = evaluate(model, {texts(list)}).suites[0];
  double nats = 0, tokens = 0, bytes = 0;
  const size_t context =
      static_cast<size_t>(model.config().max_position_embeddings);
  for (const std::string& text : list) {
    const auto ids = model.tokenizer().encode(text);
    tokens += static_cast<double>(ids.size());
    bytes += static_cast<double>(text.size());
    for (size_t at = 0; at < ids.size(); at += context) {
      const std::vector<int32_t> piece(
          ids.begin() + static_cast<std::ptrdiff_t>(at),
          ids.begin() +
              static_cast<std::ptrdiff_t>(std::min(at + context, ids.size())));
      const std::vector<Continuation> one = {
          {{model.tokenizer().bos_token_id()}, piece}};
      nats -= log_probabilities(model.config(), model.weights(), one)[0];
    }
  }
  ASSERT_GT(tokens, 4 * static_cast<double>(context));
  EXPECT_EQ(result.n, 3);
  EXPECT_NEAR(result.metrics.at("nll"), nats / tokens, 1e-4);
  EXPECT_NEAR(result.metrics.at("perplexity"), std::exp(nats / tokens),
              1e-3 * std::exp(nats / tokens));
  EXPECT_NEAR(result.metrics.at("bits_per_byte"), nats / bytes / std::log(2.0),
              1e-3);
  EXPECT_FALSE(result.metrics.contains("correct"));
}

TEST_F(EvaluationTest, JsonHasTheDocumentedShape) {
  const std::vector<Suite> suites = {questions(), texts({"a b", "서울"})};
  const auto one = to_json(evaluate({base_}, suites, {.max_new_tokens = 4}));
  EXPECT_FALSE(one.contains("delta"));

  const auto json = to_json(
      evaluate({base_, instruct_}, suites, {.max_new_tokens = 4}), true);
  ASSERT_EQ(json["models"].size(), 2u);
  EXPECT_EQ(json["models"][0]["path"], base_.string());
  EXPECT_EQ(json["models"][1]["kind"], "instruct");
  const auto& capitals = json["models"][0]["suites"]["capitals"];
  EXPECT_EQ(capitals["n"], 3);
  for (const char* metric : {"answer_rate", "correct", "probe"}) {
    EXPECT_TRUE(capitals[metric].is_number()) << metric;
    const auto& delta = json["delta"]["capitals"][metric];
    ASSERT_EQ(delta.size(), 4u) << metric;
    EXPECT_EQ(delta[0], capitals[metric]);
    EXPECT_EQ(delta[1], json["models"][1]["suites"]["capitals"][metric]);
    const double change = delta[1].get<double>() - delta[0].get<double>();
    EXPECT_LE(delta[2].get<double>(), change + 1e-9);
    EXPECT_GE(delta[3].get<double>(), change - 1e-9);
  }
  EXPECT_FALSE(capitals.contains("nll"));
  EXPECT_EQ(capitals["records"].size(), 3u);
  const auto& general = json["models"][0]["suites"]["general"];
  EXPECT_FALSE(general.contains("answer_rate"));
  EXPECT_NEAR(general["nll"], json["delta"]["general"]["nll"][0], 1e-9);
  EXPECT_NEAR(std::exp(general["nll"].get<double>()), general["perplexity"],
              1e-6);
}

TEST_F(EvaluationTest, LimitTakesTheFirstItems) {
  const LanguageModel model = LanguageModel::load(base_, Dtype::f32);
  const auto result = evaluate(model, {questions(), texts({"a", "b", "c"})},
                               {.max_new_tokens = 2, .limit = 2});
  EXPECT_EQ(result.suites[0].n, 2);
  EXPECT_EQ(result.suites[0].records[1].id, "JP");
  EXPECT_EQ(result.suites[1].n, 2);
}

}  // namespace
}  // namespace seodang
