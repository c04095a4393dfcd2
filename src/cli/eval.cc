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

namespace seodang {
namespace {

namespace fs = std::filesystem;

struct EvalArguments {
  std::vector<std::string> names;  // models and suites
  EvalOptions options;
  bool json = false, records = false;
};

struct Row {
  std::vector<std::string> cells;
};

struct Metric {
  const char *name, *title;
  bool is_share;
};
constexpr Metric kMetrics[] = {{"answer_rate", "answer rate", true},
                               {"correct", "correct", true},
                               {"probe", "probe", true},
                               {"perplexity", "perplexity", false},
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
  std::vector<Row> rows(1);
  rows[0].cells = {"suite", "n", "metric"};
  for (const std::string& title : titles(report))
    rows[0].cells.push_back(title);
  if (report.models.size() == 2)
    rows[0].cells.insert(rows[0].cells.end(), {"change", "95% interval"});
  const auto& suites = report.models[0].suites;
  for (size_t s = 0; s < suites.size(); ++s) {
    bool first = true;
    for (const Metric& metric : kMetrics) {
      if (!suites[s].metrics.contains(metric.name)) continue;
      Row row;
      row.cells = {first ? suites[s].name : "",
                   first ? std::to_string(suites[s].n) : "", metric.title};
      first = false;
      for (const ModelResult& model : report.models)
        row.cells.push_back(show_metric(model.suites[s].metrics.at(metric.name),
                                        metric.is_share));
      const auto of_suite = report.delta.find(suites[s].name);
      if (of_suite != report.delta.end() &&
          of_suite->second.contains(metric.name)) {
        const Delta& d = of_suite->second.at(metric.name);
        const double unit = metric.is_share ? 100 : 1;
        const int digits = metric.is_share ? 1 : 3;
        row.cells.push_back(
            fmt::format("{:+.{}f}", unit * (d.after - d.before), digits));
        row.cells.push_back(fmt::format("{:+.{}f} … {:+.{}f}", unit * d.low,
                                        digits, unit * d.high, digits));
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

void print(const std::vector<Row>& rows) {
  std::vector<int> widths(rows[0].cells.size(), 0);
  for (const Row& row : rows)
    for (size_t c = 0; c < row.cells.size(); ++c)
      widths[c] = std::max(widths[c], display_width(row.cells[c]));
  for (const Row& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.cells.size(); ++c) {
      const bool is_text = c == 0 || c == 2;
      if (c > 0) line += "  ";
      line += is_text ? padded(row.cells[c], widths[c])
                      : padded_left(row.cells[c], widths[c]);
    }
    fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

// SUITE is a .jsonl file, or the name of one that belongs to the models' run.
void sort_names(const std::vector<std::string>& names,
                std::vector<fs::path>& models, std::vector<Suite>& suites) {
  std::vector<std::string> wanted;
  for (const std::string& name : names) {
    if (fs::path(name).extension() == ".jsonl" || !fs::exists(name))
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
    else if (fs::path(name).extension() == ".jsonl")
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

void run_eval(EvalArguments& arguments) {
  std::vector<fs::path> models;
  std::vector<Suite> suites;
  sort_names(arguments.names, models, suites);
  const EvaluationReport report =
      evaluate_with_progress(models, suites, arguments.options);
  if (arguments.json)
    fmt::print("{}\n", to_json(report, arguments.records).dump());
  else
    print(table(report));
}

}  // namespace

void add_eval(CLI::App& program) {
  const auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = program.add_subcommand(
      "eval", "Measure models; of two, also what was gained and forgotten");
  command
      ->add_option("MODEL... SUITE...", arguments->names,
                   "Model directories, and suites: .jsonl files or names of "
                   "the run's own (default: all of them)")
      ->required();
  add_options(command, arguments->options);
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->add_flag("--records", arguments->records,
                    "With --json: every answer and how it was judged");
  command->footer(
      "docs/evaluation.md says what each figure means.\n"
      "Examples:\n"
      "  seodang eval runs/demo/base runs/demo/instruct\n"
      "  seodang eval runs/demo/instruct heldout.ko heldout.en --json\n"
      "  seodang eval my-model my-questions.jsonl");
  command->callback([arguments] { run_eval(*arguments); });
}

}  // namespace seodang
