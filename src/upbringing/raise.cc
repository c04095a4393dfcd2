#include "upbringing/raise.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "data/conversations.h"
#include "data/prepare.h"
#include "data/train_tokenizer.h"
#include "eval/evaluation.h"
#include "eval/suite.h"
#include "train/training.h"
#include "upbringing/recipe.h"
#include "upbringing/report.h"
#include "upbringing/report_data.h"
#include "upbringing/stage_values.h"
#include "upbringing/task_recipe.h"
#include "weave/weave_plan.h"
#include "weave/weaver.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Paths = std::vector<fs::path>;

// One process at a time raises in a directory; freed when the process ends.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory)
      : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY)) {
    if (descriptor_ < 0) throw Error("{}: cannot open", directory.string());
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw UsageError("{}: another process is raising a model here",
                       directory.string());
    }
  }
  ~DirectoryLock() { ::close(descriptor_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_;
};

// A recipe and the directory where it becomes a model.
class Upbringing {
 public:
  Upbringing(Recipe recipe, fs::path run)
      : recipe_(std::move(recipe)), run_(std::move(run)) {}

  std::vector<Stage> stages() {
    std::vector<Stage> stages = {corpus(), tokenizer(),
                                 prepared("data", texts()), base()};
    if (has_replay())
      stages.push_back(prepared("replay", {run_ / "corpus/replay.jsonl"}));
    if (has_examples()) stages.push_back(instruct());
    if (has_suites()) stages.push_back(eval());
    stages.push_back(report());
    return stages;
  }

 private:
  bool woven() const { return !recipe_.corpus.weave.empty(); }
  bool has_examples() const {
    return woven() || !recipe_.corpus.examples.empty();
  }
  bool has_suites() const { return woven() || !recipe_.corpus.suites.empty(); }

  // A woven corpus says what may be replayed; else it is all that was read.
  bool has_replay() const { return woven() && recipe_.instruct.replay > 0; }

  Paths texts() const {
    return woven() ? Paths{run_ / "corpus/pretrain.jsonl"}
                   : recipe_.corpus.texts;
  }
  Paths examples() const {
    return woven() ? Paths{run_ / "corpus/instruct.jsonl"}
                   : recipe_.corpus.examples;
  }
  Paths suites() const { return suites_of_run(run_ / "base"); }
  Paths models() const {
    Paths models = {run_ / "base"};
    if (has_examples()) models.push_back(run_ / "instruct");
    return models;
  }

  Stage corpus();
  Stage tokenizer();
  Stage prepared(const std::string& name, const Paths& texts);
  Stage base();
  Stage instruct();
  Stage eval();
  Stage report();

  // A woven world says what is to be known; one's own suites are probed where
  // the recipe asks for it.
  void probe_held_out(TrainOptions& options) const;
  void gather_suites() const;
  json survey() const;

  Recipe recipe_;
  fs::path run_;
};

Stage Upbringing::corpus() {
  Stage stage{.name = "corpus", .output = run_ / "corpus"};
  stage.inputs = [this] {
    const CorpusRecipe& own = recipe_.corpus;
    if (woven()) return files_of(read_weave_plan(own.weave));
    Paths inputs = own.texts;
    inputs.insert(inputs.end(), own.examples.begin(), own.examples.end());
    inputs.insert(inputs.end(), own.suites.begin(), own.suites.end());
    return inputs;
  };
  if (woven()) {
    stage.options["seed"] = std::to_string(recipe_.seed);
    stage.options["permute"] = recipe_.corpus.permute ? "true" : "false";
  }
  stage.run = [this] {
    json genres = json::object();
    if (woven())
      genres = weave(recipe_.corpus.weave, run_ / "corpus", recipe_.seed,
                     recipe_.corpus.permute)
                   .documents;
    else
      gather_suites();
    json found = survey();
    found["genres"] = std::move(genres);
    return found;
  };
  return stage;
}

// One's own texts and examples are read where they lie. Suites go where `eval`
// looks for those of a run.
void Upbringing::gather_suites() const {
  AtomicDirectory corpus(run_ / "corpus");
  fs::create_directories(corpus.path() / "suites");
  for (const fs::path& suite : recipe_.corpus.suites) {
    const fs::path copy = corpus.path() / "suites" / suite.filename();
    if (fs::exists(copy))
      throw UsageError("{}: another suite is named '{}' too; rename one",
                       suite.string(), suite.filename().string());
    fs::copy_file(suite, copy);
  }
  corpus.commit();
}

// Counts what there is, and so reads every example and suite once before hours
// of training are spent.
json Upbringing::survey() const {
  json files = json::array(), example_files = json::array(),
       suite_files = json::array();
  for (const fs::path& file : texts())
    files.push_back(
        {{"name", file.filename().string()}, {"bytes", fs::file_size(file)}});
  for (const fs::path& file : examples())
    example_files.push_back({{"name", file.filename().string()},
                             {"examples", read_conversations(file).size()}});
  for (const fs::path& file : suites()) {
    const Suite suite = load_suite(file);
    suite_files.push_back(
        {{"name", suite.name},
         {"items", suite.questions.size() + suite.texts.size()}});
  }
  return {
      {"files", files}, {"examples", example_files}, {"suites", suite_files}};
}

Stage Upbringing::tokenizer() {
  Stage stage{.name = "tokenizer", .output = run_ / "tokenizer"};
  stage.options = option_texts(recipe_.tokenizer);
  stage.inputs = [this] { return texts(); };
  stage.run = [this] {
    const Tokenizer trained =
        train_tokenizer(texts(), recipe_.tokenizer).tokenizer;
    AtomicDirectory directory(run_ / "tokenizer");
    trained.save(directory.path());
    directory.commit();
    return json{{"vocab_size", trained.vocab_size()}};
  };
  return stage;
}

// Texts as `seodang data` prepares them, in RUN/NAME.
Stage Upbringing::prepared(const std::string& name, const Paths& texts) {
  Stage stage{.name = name, .output = run_ / name};
  stage.options = option_texts(recipe_.data);
  stage.inputs = [this, texts] {
    Paths inputs = texts;
    inputs.push_back(run_ / "tokenizer");
    return inputs;
  };
  stage.run = [this, texts, output = stage.output] {
    return to_json(prepare_corpus(texts, Tokenizer::load(run_ / "tokenizer"),
                                  recipe_.data, output));
  };
  return stage;
}

Stage Upbringing::base() {
  Stage stage{.name = "base", .output = run_ / "base"};
  stage.options = option_texts(recipe_.pretrain);
  stage.inputs = [this] { return Paths{run_ / "data", run_ / "tokenizer"}; };
  stage.run = [this] {
    PretrainOptions options = recipe_.pretrain;
    options.data = run_ / "data";
    options.tokenizer = run_ / "tokenizer";
    options.output = run_ / "base";
    probe_held_out(options.train);
    return summary_json(pretrain(options));
  };
  return stage;
}

void Upbringing::probe_held_out(TrainOptions& options) const {
  if (!woven() || !options.probe.empty()) return;
  for (const fs::path& suite : suites())
    if (suite.filename().string().starts_with("heldout."))
      options.probe.push_back(suite.string());
}

Stage Upbringing::instruct() {
  InstructOptions options = recipe_.instruct;
  options.base = run_ / "base";
  options.examples = examples();
  options.output = run_ / "instruct";
  if (options.replay > 0)
    options.replay_data = run_ / (has_replay() ? "replay" : "data");
  Stage stage{.name = "instruct", .output = options.output};
  stage.options = option_texts(options);
  stage.inputs = [options] {
    Paths inputs = options.examples;
    inputs.push_back(options.base);
    if (!options.replay_data.empty()) inputs.push_back(options.replay_data);
    return inputs;
  };
  stage.run = [this, options]() mutable {
    probe_held_out(options.train);
    return summary_json(seodang::instruct(options));
  };
  return stage;
}

Stage Upbringing::eval() {
  Stage stage{.name = "eval", .output = run_ / "eval.json"};
  stage.options = option_texts(recipe_.eval);
  stage.inputs = [this] {
    Paths inputs = models();
    inputs.push_back(run_ / "corpus" / "suites");
    return inputs;
  };
  stage.run = [this] {
    std::vector<Suite> loaded;
    for (const fs::path& suite : suites()) loaded.push_back(load_suite(suite));
    const json scores =
        to_json(evaluate_with_progress(models(), loaded, recipe_.eval),
                /*records=*/true);
    write_file(run_ / "eval.json",
               scores.dump(1, ' ', false, json::error_handler_t::replace));
    return json();
  };
  return stage;
}

Stage Upbringing::report() {
  Stage stage{.name = "report", .output = run_ / "report.html"};
  stage.options = option_texts(recipe_.report);
  stage.options["name"] = recipe_.name;
  stage.options["seed"] = std::to_string(recipe_.seed);
  stage.inputs = [this] {
    Paths inputs = models();
    for (const fs::path& model : models())
      inputs.push_back(model / "metrics.jsonl");
    if (has_suites()) inputs.push_back(run_ / "eval.json");
    inputs.push_back(run_ / "data");
    inputs.push_back(run_ / "corpus");
    return inputs;
  };
  stage.run = [this] {
    const json report = collect_report(recipe_, run_);
    write_file(run_ / "report.html", report_page(report));
    return json{{"answers", report["answers"]}};
  };
  return stage;
}

}  // namespace

RaiseSummary raise_model(
    const RaiseOptions& options,
    const std::function<void(const StageOutcome&)>& announce) {
  const auto run_in = [&](const std::string& name, auto&& stages_in) {
    const fs::path run =
        options.output.empty() ? fs::path("runs") / name : options.output;
    fs::create_directories(run);
    const DirectoryLock lock(run);
    return RaiseSummary{run,
                        run_stages(stages_in(run), options.force, announce)};
  };
  if (is_task_recipe(options.recipe)) {
    const TaskRecipe recipe =
        load_task_recipe(options.recipe, options.seed, options.settings);
    RaiseSummary summary = run_in(recipe.name, [&](const fs::path& run) {
      return finetune_stages(recipe, run);
    });
    summary.tasks = true;
    return summary;
  }
  Recipe recipe = load_recipe(options.recipe, options.seed, options.settings);
  std::optional<Upbringing> upbringing;
  return run_in(recipe.name, [&](const fs::path& run) {
    return upbringing.emplace(std::move(recipe), run).stages();
  });
}

}  // namespace seodang
