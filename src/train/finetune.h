// A task of one's own, and what it costs elsewhere.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluation.h"
#include "train/options.h"
#include "train/training.h"

namespace seodang {

struct FinetuneOptions {
  InstructOptions tuning;
  // Of the task, a suite each, the first of which is what is chosen by; empty:
  // the examples held out.
  std::vector<std::filesystem::path> test = {};
  std::filesystem::path scorer = {};  // eval/scorer.h; may be empty
  // Suites of what the model is able to do besides; empty: its run's own.
  std::vector<std::filesystem::path> general = {};
  double keep = 0;
  // The examples are pairs of answers (data/conversations.h).
  std::optional<PreferenceOptions> preference = {};
  int64_t max_answer_tokens = 48;
  int64_t eval_limit = 0;
};

template <class Visit>
void visit_options(FinetuneOptions& o, Visit&& visit) {
  visit("keep", o.keep,
        "Hold general ability at this share of before: stay near the start on "
        "what is replayed, and choose the point between start and tuned model "
        "that does the task best within it. Where nothing is said of replay: "
        "--replay 0.5 --replay-texts 0.3 of what the run has that the model "
        "lies in, --distill 5 --distill-noise 0.1 (0: measure only)",
        from_to(0, 1));
  visit("max-answer-tokens", o.max_answer_tokens,
        "Most tokens of an answer to a general suite", from_to(1, 1 << 20));
  visit("eval-limit", o.eval_limit,
        "Use only so many items of each suite (0: all)", at_least(0));
  if (o.preference) visit_options(*o.preference, visit);
  visit_options(o.tuning, visit);
}

// What the command and a recipe begin with.
FinetuneOptions default_finetune_options();
// What `seodang prefer` begins with.
FinetuneOptions default_preference_options();

struct FinetuneSummary {
  TrainSummary train;
  std::string forgetting;  // the JSON of forgetting.json (eval/forgetting.h)
};

// Teaches an instruct model a task, or which answers are preferred. Measures
// the task's score and the general suites before, at each validation and in the
// end, and leaves what was gained and lost in OUTPUT/forgetting.json. Throws
// Error where the model has no chat template, UsageError where nothing can be
// measured.
FinetuneSummary finetune(const FinetuneOptions& options);

}  // namespace seodang
