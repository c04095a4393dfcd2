#include "eval/forgetting.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

constexpr const char* kGeneralMetrics[] = {"answer_rate", "correct", "probe",
                                           "perplexity", "score"};

void add_changes(const SuiteResult& before, const SuiteResult& after,
                 ForgettingReport& report) {
  for (size_t i = 0; i < before.records.size(); ++i) {
    const AnswerRecord& a = before.records[i];
    const AnswerRecord& b = after.records[i];
    if (a.correct == b.correct) continue;
    (a.correct ? report.lost : report.won)
        .push_back({before.name, a.id, a.prompt, a.text, b.text});
  }
}

ordered_json json_of(const std::vector<ForgettingReport::Change>& changes) {
  ordered_json list = ordered_json::array();
  for (const auto& change : changes)
    list.push_back({{"suite", change.suite},
                    {"id", change.id},
                    {"prompt", change.prompt},
                    {"before", change.before},
                    {"after", change.after}});
  return list;
}

}  // namespace

KeptMetrics kept_metrics(const ModelResult& before, const ModelResult& after) {
  KeptMetrics out;
  for (size_t s = 0; s < before.suites.size(); ++s) {
    const auto& from = before.suites[s].metrics;
    const auto& to = after.suites[s].metrics;
    for (const char* metric : kGeneralMetrics) {
      const auto was = from.find(metric);
      if (was == from.end() || was->second == 0) continue;
      const double is = to.at(metric);
      const bool less_is_better = std::string_view(metric) == "perplexity";
      out[before.suites[s].name][metric] = {
          was->second, is,
          less_is_better ? was->second / is : is / was->second};
    }
  }
  return out;
}

double least_kept(const KeptMetrics& metrics) {
  if (metrics.empty())
    throw Error("the model can do nothing of what the general suites ask");
  double least = metrics.begin()->second.begin()->second.kept;
  for (const auto& [suite, of] : metrics)
    for (const auto& [metric, value] : of) least = std::min(least, value.kept);
  return least;
}

ForgettingReport forgetting_report(const ModelResult& task_before,
                                   const ModelResult& task_after,
                                   const ModelResult& before,
                                   const ModelResult& after, double budget,
                                   const EvalOptions& options) {
  ForgettingReport report;
  report.budget = budget;
  const auto task = compare(task_before, task_after, options);
  for (const SuiteResult& suite : task_before.suites)
    report.task.emplace_back(suite.name, task.at(suite.name).at("score"));
  if (!before.suites.empty()) {
    report.general = kept_metrics(before, after);
    report.kept = least_kept(report.general);
    report.delta = compare(before, after, options);
  }
  report.met = report.kept >= budget;
  for (size_t s = 0; s < before.suites.size(); ++s)
    add_changes(before.suites[s], after.suites[s], report);
  return report;
}

ordered_json to_json(const ForgettingReport& report) {
  const auto delta = [](const Delta& d) {
    return ordered_json{d.before, d.after, d.low, d.high};
  };
  ordered_json out = {{"budget", report.budget},
                      {"met", report.met},
                      {"kept", report.kept},
                      {"task", ordered_json::object()},
                      {"general", ordered_json::object()},
                      {"delta", ordered_json::object()},
                      {"frontier", ordered_json::array()}};
  for (const auto& [suite, d] : report.task) out["task"][suite] = delta(d);
  for (const auto& [suite, metrics] : report.general)
    for (const auto& [metric, value] : metrics)
      out["general"][suite][metric] = {value.before, value.after, value.kept};
  for (const auto& [suite, metrics] : report.delta)
    for (const auto& [metric, d] : metrics)
      out["delta"][suite][metric] = delta(d);
  for (const TuningPoint& point : report.frontier)
    out["frontier"].push_back({{"step", point.step},
                               {"share", point.share},
                               {"task", point.task},
                               {"kept", point.kept},
                               {"chosen", point.chosen}});
  out["lost"] = json_of(report.lost);
  out["won"] = json_of(report.won);
  return out;
}

}  // namespace seodang
