// What the report tells, gathered from a run's directory.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "upbringing/recipe.h"

namespace seodang {

// An object of
//   "name", "seed", "machine" (processor), "date"
//   "split"    {"taught","heldout","final"}: things in each group, when woven
//   "corpus"   {"files": [{"name","bytes"}], "examples": [{"name","examples"}],
//               "suites": [{"name","items"}], "genres": {name: documents}}
//   "data"     what `seodang data` reports
//   "models"   [{"name","kind","config","parameters","summary"}]
//   "metrics"  {"base": [lines of metrics.jsonl], "instruct": [...]}
//   "eval"     what `seodang eval --json` prints
//   "answers"  [{"prompt","models": [{"name","kind","seen": [token texts],
//               "text","stop"}]}]
//   "explain"  [{"prompt","model","steps": [{"id","text","probability",
//               "top": [{"id","text","probability"}]}]}]
//   "forgetting"  what forgetting.json of a fine-tune holds
//   "sources"  [text]
// A part that the run does not have is absent or empty. Runs the models for
// "answers" and "explain", greedily.
nlohmann::json collect_report(const Recipe& recipe,
                              const std::filesystem::path& run);

// The same for a fine-tune that left its output in a directory.
nlohmann::json collect_finetune_report(const std::filesystem::path& output,
                                       uint64_t seed);

}  // namespace seodang
