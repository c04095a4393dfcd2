#include "train/finetune.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/interrupt.h"
#include "data/lines.h"
#include "eval/forgetting.h"
#include "formats/json.h"
#include "generate/language_model.h"
#include "train/ranks.h"
#include "train/tuning.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kReport = "forgetting.json";

// Repairs take a tenth of the steps each, and are looked at three times.
constexpr int64_t kRepairShare = 10;
constexpr int64_t kRepairObservations = 3;
constexpr int kRepairRounds = 3;

// Measures what is being tuned, and chooses the point that is kept.
class Retention {
 public:
  // The optimizer has the starting weights; `task` may be empty, and `general`.
  Retention(const FinetuneOptions& options, const TrainingRun& run,
            Optimizer& optimizer, std::vector<Suite> task,
            std::vector<Suite> general)
      : options_(options),
        output_(run.output),
        optimizer_(optimizer),
        model_(options.tuning.base,
               Model::view(optimizer.config(), optimizer.weights()),
               *run.tokenizer),
        task_(std::move(task)),
        general_(std::move(general)),
        eval_{.max_new_tokens = options.max_answer_tokens,
              .limit = options.eval_limit},
        before_(measure(true)) {
    // What cannot be told apart from nothing is said now, not after hours.
    if (!general_.empty())
      least_kept(kept_metrics(before_.general, before_.general));
    if (options.keep > 0) start_ = optimizer.snapshot();
  }

  Json observe(int64_t step) {
    last_ = {.step = step};
    take(measure(), last_);
    Json shares = Json::object();
    if (!task_.empty()) shares["task"] = last_.task;
    if (!general_.empty()) shares["kept"] = last_.kept;
    return shares;
  }

  // Where last observed.
  bool is_kept() const {
    return options_.keep == 0 || last_.kept >= options_.keep;
  }

  // Chooses, leaves the optimizer with the chosen weights, and reports. False
  // when it was told to stop (TrainingRun::settle).
  bool settle() {
    std::vector<TuningPoint> points = observed();
    if (points.empty()) points.push_back(last_);  // nothing is measured
    if (is_kept())
      points.back().chosen = true;
    else if (!search(points))
      return false;
    ForgettingReport report =
        forgetting_report(before_.task, after_.task, before_.general,
                          after_.general, options_.keep, eval_);
    report.frontier = std::move(points);
    write_file(
        output_ / kReport,
        to_json(report).dump(1, ' ', false, Json::error_handler_t::replace) +
            "\n");
    return true;
  }

 private:
  struct Measured {
    ModelResult task, general;
  };

  Measured measure(bool show_progress = false) const {
    const auto of = [&](const std::vector<Suite>& suites) {
      return show_progress ? evaluate_with_progress(model_, suites, eval_)
                           : evaluate(model_, suites, eval_);
    };
    return {of(task_), of(general_)};
  }

  void take(Measured measured, TuningPoint& point) {
    after_ = std::move(measured);
    if (!task_.empty()) point.task = after_.task.suites[0].metrics.at("score");
    if (!general_.empty())
      point.kept = least_kept(kept_metrics(before_.general, after_.general));
  }

  // What was measured while it trained, perhaps by an earlier process.
  std::vector<TuningPoint> observed() const {
    std::vector<TuningPoint> points;
    LineReader lines(output_ / "metrics.jsonl", 1 << 20);
    for (std::string text; lines.next(text);) {
      const auto line = Json::parse(text, nullptr, false);
      if (!line.is_object() ||
          !(line.contains("task") || line.contains("kept")))
        continue;
      // A process that went on from its last step measured it again.
      if (!points.empty() && points.back().step == line.value("step", -1))
        points.pop_back();
      points.push_back({.step = line.value("step", int64_t{0}),
                        .task = line.value("task", 0.0),
                        .kept = line.value("kept", 0.0)});
    }
    return points;
  }

  // Along the line from the start to the last step's weights (Wortsman et al.,
  // "Robust fine-tuning of zero-shot models", 2022, section 3), where the
  // shares that meet the budget are, up to noise, below those that do not, and
  // those that do the task above those that do not.
  bool search(std::vector<TuningPoint>& points) {
    constexpr int kEvaluations = 6;
    const OwnedTensor end = optimizer_.snapshot();
    std::vector<TuningPoint> line = {last_};
    std::vector<Measured> measured = {after_};
    const auto meets = [&](const TuningPoint& point) {
      return point.kept >= options_.keep;
    };
    const double before = before_.task.suites[0].metrics.at("score");
    const auto learned = [&](const TuningPoint& point) {
      const double all = last_.task - before;
      return all > 0 ? std::max(0.0, (point.task - before) / all) : 0;
    };
    // A point that keeps everything because it learned nothing is none.
    const auto does_task = [&](const TuningPoint& point) {
      return learned(point) >= 0.5;
    };
    double low = 0, high = 1;
    for (int i = 0; i < kEvaluations; ++i) {
      if (InterruptGuard::requested()) {
        optimizer_.interpolate(start_, end, 1);
        return false;
      }
      TuningPoint point = {.step = last_.step, .share = (low + high) / 2};
      optimizer_.interpolate(start_, end, static_cast<float>(point.share));
      take(measure(), point);
      // Where the task is not done there is nothing to choose.
      (meets(point) || !does_task(point) ? low : high) = point.share;
      line.push_back(point);
      measured.push_back(after_);
    }
    // Where nothing is within the budget, a per cent of what was learned weighs
    // as much as one of what was kept.
    const auto better = [&](const TuningPoint& a, const TuningPoint& b) {
      const auto rank = [&](const TuningPoint& p) {
        return meets(p) && does_task(p)
                   ? std::tuple(true, p.task, p.kept)
                   : std::tuple(false, learned(p) * p.kept, p.kept);
      };
      return rank(a) > rank(b);
    };
    const auto best = std::min_element(line.begin(), line.end(), better);
    best->chosen = true;
    optimizer_.interpolate(start_, end, static_cast<float>(best->share));
    after_ = std::move(measured[static_cast<size_t>(best - line.begin())]);
    std::ranges::sort(line, {}, &TuningPoint::share);
    points.pop_back();
    points.insert(points.end(), line.begin(), line.end());
    return true;
  }

  const FinetuneOptions& options_;
  fs::path output_;
  Optimizer& optimizer_;
  LanguageModel model_;  // with the weights that the optimizer has
  std::vector<Suite> task_, general_;
  EvalOptions eval_;
  Measured before_, after_;  // at the start, and where last measured
  OwnedTensor start_;
  TuningPoint last_;
};

std::vector<Suite> general_suites(const FinetuneOptions& options) {
  std::vector<Suite> suites;
  std::set<std::string> names;
  for (const fs::path& file : options.general) {
    suites.push_back(load_suite(file));
    if (!names.insert(suites.back().name).second)
      throw UsageError("two suites have the name {}", suites.back().name);
  }
  if (suites.empty() && options.keep > 0)
    throw UsageError(
        "--keep {} needs to know what is to be kept: name suites with "
        "--general (docs/finetune.md)",
        options.keep);
  return suites;
}

// Empty when there is nothing to measure the task with.
std::vector<Suite> task_suites(const FinetuneOptions& options,
                               const Scorer& scorer,
                               const std::vector<Conversation>& held) {
  std::vector<Suite> suites;
  const auto add = [&](const fs::path& file,
                       const std::vector<Conversation>& examples) {
    Suite& suite = suites.emplace_back();
    suite.name = file.stem().string();
    suite.task = task_items(examples);
    suite.scorer = scorer;
  };
  for (const fs::path& file : options.test)
    add(file, read_conversations(file, options.tuning.format));
  if (options.test.empty() && !held.empty())
    add(options.tuning.examples[0], held);
  if (suites.empty() && options.keep > 0)
    throw UsageError(
        "--keep {}: no example is left to measure the task with; name a --test "
        "file, or a larger --validation share",
        options.keep);
  return suites;
}

// A budget, and nothing said of how to hold it: what the model's run has is
// replayed.
FinetuneOptions settle_keep(FinetuneOptions o) {
  InstructOptions& tuning = o.tuning;
  if (tuning.freeze_embeddings == "auto")
    tuning.freeze_embeddings = o.keep > 0 ? "unseen" : "none";
  if (o.keep == 0 || tuning.replay > 0) return o;
  if (tuning.replay_data.empty() && tuning.replay_examples.empty()) {
    const fs::path run = run_of(tuning.base);
    for (const char* texts : {"replay", "data"})
      if (tuning.replay_data.empty() && fs::is_directory(run / texts))
        tuning.replay_data = run / texts;
    if (const fs::path examples = run / "corpus" / "instruct.jsonl";
        fs::exists(examples))
      tuning.replay_examples = {examples};
  }
  if (tuning.replay_data.empty() && tuning.replay_examples.empty()) return o;
  tuning.replay = 0.5;
  tuning.replay_texts = 0.3;
  if (tuning.distill == 0) {
    tuning.distill = 5;
    tuning.distill_noise = 0.1;
  }
  return o;
}

// What the choice and the report depend on.
std::map<std::string, std::string> measured_with(const FinetuneOptions& o) {
  std::map<std::string, std::string> out = {
      {"keep", show_option(o.keep)},
      {"max-answer-tokens", show_option(o.max_answer_tokens)},
      {"eval-limit", show_option(o.eval_limit)}};
  const auto add = [&](const char* key, const std::vector<fs::path>& files) {
    for (const fs::path& file : files) out[key] += fingerprint(file) + " ";
  };
  add("test", o.test);
  add("general", o.general);
  if (!o.scorer.empty()) add("scorer", {o.scorer});
  return out;
}

}  // namespace

FinetuneOptions default_finetune_options() {
  FinetuneOptions o;
  o.tuning.replay = 0;
  o.tuning.validation = 0.1;
  o.tuning.train.epochs = 3;
  return o;
}

FinetuneOptions default_preference_options() {
  FinetuneOptions o = default_finetune_options();
  o.preference.emplace();
  o.tuning.train.epochs = 1;
  return o;
}

FinetuneSummary finetune(const FinetuneOptions& given) {
  FinetuneOptions options = settle_keep(given);
  if (options.general.empty())
    options.general = suites_of_run(options.tuning.base);
  if (options.keep > 0 && options.tuning.patience > 0)
    throw UsageError("--keep and --patience both choose what is kept");
  // What is wrong with these is said before a model is read.
  const std::vector<Suite> general = general_suites(options);
  const Scorer scorer =
      options.scorer.empty() ? Scorer() : Scorer::load(options.scorer);
  std::optional<Retention> retention;
  const bool root = Ranks::world().root();
  TuningStage stage = {.name = options.preference ? "prefer" : "finetune",
                       .preference = options.preference,
                       .copies = options.keep > 0 ? 2 : 0,
                       .identity = measured_with(options)};
  stage.before = [&](TrainingRun& run, Optimizer& optimizer,
                     const std::vector<Conversation>& held) {
    if (options.keep > 0 && options.tuning.replay == 0)
      run.notes.emplace_back(
          "nothing is replayed, so that only the line from the start to the "
          "tuned weights is searched; name --replay-data or --replay-examples");
    // The root alone measures.
    std::vector<Suite> task = task_suites(options, scorer, held);
    if (root)
      retention.emplace(options, run, optimizer, std::move(task), general);
    run.observe = [&](int64_t step) { return retention->observe(step); };
    if (options.keep > 0 && run.teacher.decoder != nullptr) {
      const int64_t steps =
          std::max<int64_t>(1, run.options.steps / kRepairShare);
      run.repair = {
          .steps = steps,
          .rounds = kRepairRounds,
          .observe_every = std::max<int64_t>(1, steps / kRepairObservations),
          .needed = [&] { return !retention->is_kept(); }};
    }
    run.settle = [&] { return retention->settle(); };
  };
  FinetuneSummary summary;
  summary.train = tune(options.tuning, stage);
  if (root) summary.forgetting = read_file(options.tuning.output / kReport);
  return summary;
}

}  // namespace seodang
