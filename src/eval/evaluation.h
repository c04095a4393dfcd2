// Models on suites: how well they answer, what they know, and what changed.
// docs/evaluation.md defines each metric.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "eval/bootstrap.h"
#include "eval/suite.h"
#include "generate/generation.h"
#include "generate/language_model.h"

namespace seodang {

// A model that is not here: its answer to a conversation, greedy, of at most so
// many tokens. Called by several threads at once.
using Answerer = std::function<Generation(const std::vector<Message>& messages,
                                          int64_t max_new_tokens)>;

struct EvalOptions {
  int64_t max_new_tokens = 48;  // a task's items: what their output needs
  int32_t batch_size = 64;      // sequences in one forward
  int64_t limit = 0;            // items of each suite that are used; 0: all
  int resamples = 2000;
  uint64_t seed = 1;  // of the bootstrap; answers are greedy
  // Hears how many of all items of all models are done, and what is being
  // worked on ("base: heldout.ko").
  std::function<void(int64_t done, const std::string& what)> progress = {};
  // For a model's name who answers for it, or nothing when it is to be loaded.
  // Who only answers has neither probe nor perplexity, and counts as an
  // instruct model.
  std::function<Answerer(const std::filesystem::path&)> elsewhere = {};
};

template <class Visit>
void visit_options(EvalOptions& o, Visit&& visit) {
  visit("max-tokens", o.max_new_tokens, "Most tokens of an answer",
        from_to(1, 1 << 20));
  visit("batch-size", o.batch_size, "Sequences generated at once",
        from_to(1, 4096));
  visit("limit", o.limit, "Use only the first items of each suite (0: all)",
        at_least(0));
  visit("resamples", o.resamples, "Resamples of the bootstrap of each interval",
        from_to(1, 1 << 24));
  visit("seed", o.seed, "Seed of the bootstrap");
}

// What one model made of one question.
struct AnswerRecord {
  std::string id, kind, prompt, text, stop;
  std::vector<std::string> answers;  // accepted
  std::string ill_formed;  // why it is no well-formed answer; empty: it is one
  bool correct = false;
  // P(right) / Σ P of right and wrong, and whether right is the most probable;
  // absent without a cloze.
  std::optional<double> probe;
  bool probe_top1 = false;
  // What a base model wrote when the suite has a frame, up to the end of the
  // line, alone and behind the suite's shots; and whether it was correct.
  struct Framed {
    std::string text;
    bool correct = false;
  };
  std::optional<Framed> framed, few_shot;
  // Of a task's item: how well the text does what was asked, and which checks
  // it fails (eval/scorer.h). `answers` is the output its example wants.
  std::optional<double> score;
  std::vector<std::string> failed;

  bool well_formed() const { return ill_formed.empty(); }
};

struct SuiteResult {
  std::string name;
  int64_t n = 0;
  // Those that the suite has, by their names in JSON: answer_rate, correct,
  // correct_framed, correct_few_shot, probe, probe_top1; nll, perplexity,
  // bits_per_byte; of a task, score and complete (the share with score 1).
  std::map<std::string, double> metrics;
  std::vector<AnswerRecord> records;  // one a question or task item
  std::vector<double> text_nll;       // one a text; their mean is nll
};

// n, answer_rate, correct and probe of the questions of each kind; empty when
// none has a kind.
std::map<std::string, std::map<std::string, double>> metrics_by_kind(
    const SuiteResult& suite);

struct ModelResult {
  std::filesystem::path path;
  ModelKind kind = ModelKind::base;
  std::vector<SuiteResult> suites;
};

struct EvaluationReport {
  std::vector<ModelResult> models;
  // With exactly two models: suite → metric (answer_rate, correct,
  // correct_framed, correct_few_shot, probe, nll, score) → from the first model
  // to the second. What a base model answered in a frame is compared with what
  // the second answered to the bare question, if that is no base model.
  std::map<std::string, std::map<std::string, Delta>> delta;
};

// The deltas of two models that did the same suites.
std::map<std::string, std::map<std::string, Delta>> compare(
    const ModelResult& before, const ModelResult& after,
    const EvalOptions& options);

EvaluationReport evaluate(const std::vector<std::filesystem::path>& models,
                          const std::vector<Suite>& suites,
                          const EvalOptions& options = {});
// The same; shows on stderr how far it is (base/progress.h).
EvaluationReport evaluate_with_progress(
    const std::vector<std::filesystem::path>& models,
    const std::vector<Suite>& suites, const EvalOptions& options);
ModelResult evaluate(const LanguageModel& model,
                     const std::vector<Suite>& suites,
                     const EvalOptions& options = {});
ModelResult evaluate_with_progress(const LanguageModel& model,
                                   const std::vector<Suite>& suites,
                                   const EvalOptions& options);

// The JSON of `seodang eval --json`; with `records`, each suite also has
// "records": [{"id","kind","prompt","answers","text","stop","well_formed",
// "ill_formed","correct","probe","framed","few_shot","score","failed"}].
nlohmann::json to_json(const EvaluationReport& report, bool records = false);

}  // namespace seodang
