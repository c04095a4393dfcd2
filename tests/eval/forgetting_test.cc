#include "eval/forgetting.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "error_of.h"

namespace seodang {
namespace {

ModelResult result(const std::vector<bool>& correct, double perplexity) {
  SuiteResult questions;
  questions.name = "facts";
  double sum = 0;
  for (size_t i = 0; i < correct.size(); ++i) {
    AnswerRecord record;
    record.id = std::to_string(i);
    record.text = correct[i] ? "yes" : "no";
    record.correct = correct[i];
    sum += correct[i];
    questions.records.push_back(record);
  }
  questions.n = static_cast<int64_t>(correct.size());
  questions.metrics = {{"answer_rate", 1},
                       {"correct", sum / static_cast<double>(correct.size())}};
  SuiteResult texts;
  texts.name = "general";
  texts.n = 1;
  texts.metrics = {{"perplexity", perplexity}, {"nll", 1}};
  texts.text_nll = {1};
  return {"model", ModelKind::instruct, {questions, texts}};
}

ModelResult task(std::vector<double> scores) {
  SuiteResult suite;
  suite.name = "reports";
  double sum = 0;
  for (const double score : scores) {
    AnswerRecord record;
    record.score = score;
    sum += score;
    suite.records.push_back(record);
  }
  suite.metrics = {{"score", sum / static_cast<double>(scores.size())},
                   {"complete", 0}};
  return {"model", ModelKind::instruct, {suite}};
}

// Of 4 right answers 3 are left and one is new: 4/4; perplexity 100 → 125 keeps
// 100/125.
TEST(Forgetting, IsTheWorstOfAllSuitesAndMetrics) {
  const ModelResult before = result({true, true, true, true, false}, 100);
  const ModelResult after = result({true, true, true, false, true}, 125);
  const ForgettingReport report =
      forgetting_report(task({0, 0.5}), task({1, 0.5}), before, after, 0.9, {});
  EXPECT_DOUBLE_EQ(report.general.at("facts").at("correct").kept, 1);
  EXPECT_DOUBLE_EQ(report.general.at("general").at("perplexity").kept, 0.8);
  EXPECT_DOUBLE_EQ(report.kept, 0.8);
  EXPECT_FALSE(report.met);
  ASSERT_EQ(report.lost.size(), 1u);
  EXPECT_EQ(report.lost[0].id, "3");
  EXPECT_EQ(report.lost[0].after, "no");
  ASSERT_EQ(report.won.size(), 1u);
  EXPECT_EQ(report.won[0].id, "4");
  ASSERT_EQ(report.task.size(), 1u);
  EXPECT_EQ(report.task[0].first, "reports");
  EXPECT_DOUBLE_EQ(report.task[0].second.before, 0.25);
  EXPECT_DOUBLE_EQ(report.task[0].second.after, 0.75);
  EXPECT_TRUE(
      forgetting_report(task({0}), task({1}), before, after, 0.8, {}).met);
  const auto json = to_json(report);
  EXPECT_EQ(json["general"]["general"]["perplexity"].dump(),
            "[100.0,125.0,0.8]");
  EXPECT_EQ(json["met"], false);
  EXPECT_EQ(json["task"]["reports"][1], 0.75);
}

// What it could not do before it cannot forget.
TEST(Forgetting, CountsOnlyWhatWasThere) {
  const ModelResult none = result({false}, 100);
  EXPECT_FALSE(kept_metrics(none, none).at("facts").contains("correct"));
  ModelResult nothing = none;
  nothing.suites.resize(1);
  nothing.suites[0].metrics["answer_rate"] = 0;
  EXPECT_NE(error_of([&] { least_kept(kept_metrics(nothing, nothing)); }), "");
}

}  // namespace
}  // namespace seodang
