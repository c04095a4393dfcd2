// What a tuning gained at its task, and what it cost elsewhere.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "eval/evaluation.h"

namespace seodang {

struct Kept {
  double before = 0, after = 0;
  double kept = 0;  // after / before; of perplexity before / after
};

// suite → metric (answer_rate, correct, probe, perplexity, score) of what the
// first model was able to do at all.
using KeptMetrics = std::map<std::string, std::map<std::string, Kept>>;

KeptMetrics kept_metrics(const ModelResult& before, const ModelResult& after);

// The least of all suites and metrics; throws Error where there are none.
double least_kept(const KeptMetrics& metrics);

// A point between the model before and the tuned one.
struct TuningPoint {
  int64_t step = 0;
  double share = 1;  // of the way from the start to this step's weights
  double task = 0;   // task score
  double kept = 0;   // least_kept; 0 without general suites
  bool chosen = false;
};

struct ForgettingReport {
  double budget = 0;  // 0: none was asked for
  bool met = true;
  double kept = 1;
  // suite → score, in the order in which they were given.
  std::vector<std::pair<std::string, Delta>> task;
  KeptMetrics general;
  // suite → metric → from before to after, with an interval.
  std::map<std::string, std::map<std::string, Delta>> delta;
  std::vector<TuningPoint> frontier;  // by step, then share
  struct Change {  // an item of a suite that was right and is wrong, or back
    std::string suite, id, prompt, before, after;
  };
  std::vector<Change> lost, won;
};

// Of the two, each having done the task's suites and the general ones.
ForgettingReport forgetting_report(const ModelResult& task_before,
                                   const ModelResult& task_after,
                                   const ModelResult& before,
                                   const ModelResult& after, double budget,
                                   const EvalOptions& options);

// {"budget","met","kept","task":{SUITE:[before,after,low,high]},
//  "general":{SUITE:{METRIC:[before,after,kept]}},
//  "delta":{SUITE:{METRIC:[before,after,low,high]}},
//  "frontier":[{"step","share","task","kept","chosen"}],
//  "lost":[{"suite","id","prompt","before","after"}],"won":[…]}
nlohmann::ordered_json to_json(const ForgettingReport& report);

}  // namespace seodang
