#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "eval/evaluation.h"
#include "formats/csv.h"
#include "model/adapter.h"
#include "serve/remote_model.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

struct EvalArguments {
  std::vector<std::string> names;  // models and suites
  EvalOptions options;
  bool json = false, records = false;
  fs::path scorer;
  int32_t wrong = 0;  // wrong answers to show of each suite
};

using Row = std::vector<std::string>;

struct Metric {
  const char *name, *title;
  bool is_share;
};
constexpr Metric kMetrics[] = {{"answer_rate", "answer rate", true},
                               {"correct", "correct", true},
                               {"correct_framed", "correct, framed", true},
                               {"correct_few_shot", "correct, few-shot", true},
                               {"probe", "probe", true},
                               {"perplexity", "perplexity", false},
                               {"score", "task score", true},
                               {"complete", "all checks hold", true},
                               {"nll", "nll a token", false},
                               {"bits_per_byte", "bits a byte", false}};

std::string show_metric(double value, bool is_share) {
  return is_share ? fmt::format("{:.1f}%", 100 * value)
                  : fmt::format("{:.3f}", value);
}

// Short names where they tell the models apart.
std::vector<std::string> titles(const EvaluationReport& report) {
  std::vector<std::string> names;
  for (const ModelResult& model : report.models) {
    fs::path path = fs::absolute(model.path).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();
    names.push_back(path.filename().string());
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    for (size_t i = 0; i < names.size(); ++i)
      names[i] = report.models[i].path.string();
  return names;
}

std::vector<Row> table(const EvaluationReport& report) {
  std::vector<Row> rows = {{"suite", "n", "metric"}};
  for (const std::string& title : titles(report)) rows[0].push_back(title);
  if (report.models.size() == 2)
    rows[0].insert(rows[0].end(), {"change", "95% interval"});
  const auto& suites = report.models[0].suites;
  for (size_t s = 0; s < suites.size(); ++s) {
    bool first = true;
    for (const Metric& metric : kMetrics) {
      if (!suites[s].metrics.contains(metric.name)) continue;
      Row row = {first ? suites[s].name : "",
                 first ? std::to_string(suites[s].n) : "", metric.title};
      first = false;
      for (const ModelResult& model : report.models) {
        const auto& metrics = model.suites[s].metrics;
        const auto found = metrics.find(metric.name);
        row.push_back(found == metrics.end()
                          ? "–"
                          : show_metric(found->second, metric.is_share));
      }
      const auto of_suite = report.delta.find(suites[s].name);
      if (of_suite != report.delta.end() &&
          of_suite->second.contains(metric.name)) {
        const Delta& d = of_suite->second.at(metric.name);
        const double unit = metric.is_share ? 100 : 1;
        const int digits = metric.is_share ? 1 : 3;
        row.push_back(
            fmt::format("{:+.{}f}", unit * (d.after - d.before), digits));
        row.push_back(fmt::format("{:+.{}f} … {:+.{}f}", unit * d.low, digits,
                                  unit * d.high, digits));
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// How much of each kind of question each model answers correctly; no rows where
// no suite tells kinds.
std::vector<Row> table_of_kinds(const EvaluationReport& report) {
  std::vector<std::string> kinds;
  for (const SuiteResult& suite : report.models[0].suites)
    for (const auto& [kind, metrics] : metrics_by_kind(suite))
      if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
  if (kinds.empty()) return {};
  std::vector<Row> rows = {{"correct by kind", "", "model"}};
  rows[0].insert(rows[0].end(), kinds.begin(), kinds.end());
  const std::vector<std::string> names = titles(report);
  for (size_t s = 0; s < report.models[0].suites.size(); ++s)
    for (size_t m = 0; m < names.size(); ++m) {
      const auto by_kind = metrics_by_kind(report.models[m].suites[s]);
      if (by_kind.empty()) continue;
      Row row = {m == 0 ? report.models[m].suites[s].name : "", "", names[m]};
      for (const std::string& kind : kinds) {
        const auto found = by_kind.find(kind);
        row.push_back(found == by_kind.end()
                          ? "–"
                          : show_metric(found->second.at("correct"), true));
      }
      rows.push_back(std::move(row));
    }
  return rows;
}

void print_wrong(const ModelResult& model, int32_t most) {
  for (const SuiteResult& suite : model.suites) {
    int32_t left = most;
    for (const AnswerRecord& record : suite.records) {
      if (record.correct || left-- <= 0) continue;
      fmt::print("{}  {}\n    → {}\n    wanted: {}\n", suite.name,
                 record.prompt, record.text, record.answers.front());
      if (!record.failed.empty())
        fmt::print("    failed: {}\n", fmt::join(record.failed, ", "));
    }
  }
}

bool is_suite_file(const fs::path& path) {
  return path.extension() == ".jsonl" || is_csv(path);
}

// SUITE is a .jsonl or .csv file, or the name of one that belongs to the
// models' run.
void sort_names(const std::vector<std::string>& names,
                std::vector<fs::path>& models, std::vector<Suite>& suites) {
  std::vector<std::string> wanted;
  for (const std::string& name : names) {
    if (is_remote(name)) {
      models.emplace_back(name);
      continue;
    }
    const ModelPath model(name);
    if (is_suite_file(name) || !fs::exists(model.base))
      wanted.push_back(name);
    else
      models.emplace_back(name);
  }
  if (models.empty()) throw UsageError("{}: no such model directory", names[0]);
  std::vector<fs::path> known;
  for (const fs::path& model : models)
    if (known.empty()) known = suites_of_run(model);
  std::string known_names;
  for (const fs::path& path : known)
    known_names += (known_names.empty() ? "" : ", ") + path.stem().string();

  if (wanted.empty()) {
    if (known.empty())
      throw UsageError(
          "{}: lies in no run with corpus/suites beside it; name the suites "
          "(.jsonl files)",
          models[0].string());
    for (const fs::path& path : known) suites.push_back(load_suite(path));
  }
  for (const std::string& name : wanted) {
    const auto found =
        std::find_if(known.begin(), known.end(),
                     [&](const fs::path& path) { return path.stem() == name; });
    if (found != known.end())
      suites.push_back(load_suite(*found));
    else if (is_suite_file(name))
      suites.push_back(load_suite(name));
    else
      throw UsageError("{}: neither a model directory nor a suite{}", name,
                       known.empty() ? "" : "; there are " + known_names);
  }
  std::vector<std::string> seen;
  for (const Suite& suite : suites) {
    if (std::find(seen.begin(), seen.end(), suite.name) != seen.end())
      throw UsageError("two suites have the name {}", suite.name);
    seen.push_back(suite.name);
  }
}

void print_tables(const EvaluationReport& report, int32_t wrong) {
  const auto print = [](const std::vector<Row>& rows) {
    std::vector<bool> numbers(rows[0].size(), true);
    numbers[0] = numbers[2] = false;
    for (const std::string& line : aligned(rows, numbers))
      fmt::print("{}\n", line);
  };
  print(table(report));
  if (const std::vector<Row> kinds = table_of_kinds(report); !kinds.empty()) {
    fmt::print("\n");
    print(kinds);
  }
  if (wrong == 0) return;
  const ModelResult& last = report.models.back();
  fmt::print("\nWrong answers of {}:\n", last.path.string());
  print_wrong(last, wrong);
}

// Who answers for a model behind an API.
Answerer remote_answerer(const fs::path& model) {
  if (!is_remote(model.string())) return nullptr;
  const auto remote = std::make_shared<RemoteModel>(model.string());
  return
      [remote](const std::vector<Message>& messages, int64_t max_new_tokens) {
        GenerateOptions options;
        options.max_new_tokens = max_new_tokens;
        const RemoteAnswer answer = remote->chat(messages, options);
        Generation out;
        out.text = answer.text;
        out.stop = answer.stop;
        return out;
      };
}

void run_eval(EvalArguments& arguments) {
  std::vector<fs::path> models;
  std::vector<Suite> suites;
  sort_names(arguments.names, models, suites);
  if (!arguments.scorer.empty()) {
    const Scorer scorer = Scorer::load(arguments.scorer);
    for (Suite& suite : suites)
      if (!suite.task.empty()) suite.scorer = scorer;
  }
  arguments.options.elsewhere = remote_answerer;
  const EvaluationReport report =
      evaluate_with_progress(models, suites, arguments.options);
  if (arguments.json)
    fmt::print("{}\n", to_json(report, arguments.records).dump());
  else
    print_tables(report, arguments.wrong);
}

}  // namespace

void add_eval(CLI::App& program) {
  const auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = program.add_subcommand(
      "eval", "Measure models; of two, also what was gained and forgotten");
  command
      ->add_option(
          "MODEL... SUITE...", arguments->names,
          "Models (MODEL+ADAPTER too, or http(s)://HOST/v1#NAME, of which only "
          "answers are judged), and suites: .jsonl files or names of the run's "
          "own (default: all of them)")
      ->required();
  command->add_option("--scorer", arguments->scorer,
                      "How outputs of tasks are judged (TOML, "
                      "docs/finetune.md); without, by the words they share "
                      "with the outputs wanted");
  add_options(command, arguments->options);
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->add_flag("--records", arguments->records,
                    "With --json: every answer and how it was judged");
  command
      ->add_option("--wrong", arguments->wrong,
                   "Show so many wrong answers of each suite, of the last "
                   "model")
      ->check(CLI::Range(0, 1 << 20));
  command->footer(
      "docs/evaluation.md says what each figure means.\n"
      "Examples:\n"
      "  seodang eval runs/demo/base runs/demo/instruct\n"
      "  seodang eval runs/demo/instruct heldout.ko heldout.en --wrong 10\n"
      "  seodang eval my-model my-questions.jsonl\n"
      "  seodang eval my-model my-reports.jsonl --scorer my-report.toml "
      "--wrong 3");
  command->callback([arguments] { run_eval(*arguments); });
}

}  // namespace seodang
