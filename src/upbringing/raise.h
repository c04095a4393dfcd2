// The whole upbringing, from a recipe to a report.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "upbringing/stages.h"

namespace seodang {

struct RaiseOptions {
  std::filesystem::path recipe;
  std::optional<uint64_t> seed;       // in place of the recipe's
  std::filesystem::path output;       // empty: runs/NAME
  std::vector<std::string> settings;  // in place of the recipe's
  std::vector<std::string> force;
};

struct RaiseSummary {
  std::filesystem::path run;
  std::vector<StageOutcome> stages;
  bool tasks = false;  // each stage is a fine-tune
};

// Of a recipe with a [task] (upbringing/task_recipe.h), leaves RUN/NAME of each
// of its fine-tunes. Of another, leaves
// RUN/{corpus,tokenizer,data,base,instruct,eval.json,report.html}. A recipe
// without examples has no instruct, one without suites no eval.json. Throws
// UsageError for what the recipe gets wrong and when another process is raising
// in the same directory; Error, with the stage named, when one fails.
RaiseSummary raise_model(
    const RaiseOptions& options,
    const std::function<void(const StageOutcome&)>& announce);

}  // namespace seodang
