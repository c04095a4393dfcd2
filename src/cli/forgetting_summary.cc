#include "cli/forgetting_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/terminal.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;
using Row = std::vector<std::string>;

std::string share_of(double value) {
  return fmt::format("{:.1f}%", 100 * value);
}

std::string value_of(const std::string& metric, double value) {
  return metric == "perplexity" ? fmt::format("{:.2f}", value)
                                : share_of(value);
}

std::string spelt(std::string metric) {
  for (char& c : metric)
    if (c == '_') c = ' ';
  return metric;
}

void add(const std::vector<Row>& rows, const std::vector<bool>& numbers,
         std::vector<std::string>& out) {
  for (std::string& line : aligned(rows, numbers))
    out.push_back(std::move(line));
  out.emplace_back();
}

// The suite and metric that kept least.
std::string least(const ordered_json& general) {
  std::string name;
  double least = INFINITY;
  for (const auto& [suite, metrics] : general.items())
    for (const auto& [metric, value] : metrics.items())
      if (value[2].get<double>() < least) {
        least = value[2];
        name = suite + ", " + spelt(metric);
      }
  return name;
}

std::string change_of(const ordered_json& values) {
  return fmt::format("{} → {}", share_of(values[0]), share_of(values[1]));
}

}  // namespace

std::vector<std::string> finetunes_summary(
    const std::filesystem::path& run, const std::vector<std::string>& names) {
  std::vector<Row> rows = {{"fine-tune"}};
  for (const std::string& name : names) {
    const std::filesystem::path file = run / name / "forgetting.json";
    const auto forgetting = ordered_json::parse(read_file(file));
    const ordered_json& task = forgetting.at("task");
    if (rows.size() == 1) {
      for (const auto& [suite, values] : task.items()) rows[0].push_back(suite);
      rows[0].insert(rows[0].end(), {"kept", "--keep", "lost", "least kept"});
    }
    Row row = {name};
    for (const auto& [suite, values] : task.items())
      row.push_back(change_of(values));
    const double budget = forgetting.at("budget");
    row.push_back(share_of(forgetting.at("kept")));
    row.push_back(budget == 0 ? "–"
                              : fmt::format("{}: {}", budget,
                                            forgetting.at("met").get<bool>()
                                                ? "met"
                                                : "not met"));
    row.push_back(std::to_string(forgetting.at("lost").size()));
    row.push_back(least(forgetting.at("general")));
    rows.push_back(std::move(row));
  }
  std::vector<bool> numbers(rows[0].size(), true);
  numbers.front() = numbers.back() = false;
  std::vector<std::string> out = {""};
  add(rows, numbers, out);
  for (const std::string& name : names)
    out.push_back((run / name / "report.html").string());
  return out;
}

std::vector<std::string> forgetting_summary(const ordered_json& forgetting) {
  std::vector<std::string> out = {""};
  std::vector<Row> task = {
      {"task", "before", "after", "change", "95% interval"}};
  for (const auto& [suite, d] : forgetting.at("task").items())
    task.push_back({suite, share_of(d[0]), share_of(d[1]),
                    fmt::format("{:+.1f}", 100 * (d[1].get<double>() -
                                                  d[0].get<double>())),
                    fmt::format("{:+.1f} … {:+.1f}", 100 * d[2].get<double>(),
                                100 * d[3].get<double>())});
  add(task, {false, true, true, true, true}, out);

  const ordered_json& general = forgetting.at("general");
  if (general.empty()) {
    out.emplace_back(
        "What it cost elsewhere was not measured: name suites with --general.");
    return out;
  }
  std::vector<Row> rows = {{"general", "metric", "before", "after", "kept"}};
  for (const auto& [suite, metrics] : general.items()) {
    bool first = true;
    for (const auto& [metric, value] : metrics.items()) {
      rows.push_back({first ? suite : "", spelt(metric),
                      value_of(metric, value[0]), value_of(metric, value[1]),
                      share_of(value[2])});
      first = false;
    }
  }
  add(rows, {false, false, true, true, true}, out);

  std::vector<Row> points = {{"step", "share", "task", "kept", ""}};
  for (const ordered_json& point : forgetting.at("frontier"))
    points.push_back({fmt::format("{}", point["step"].get<int64_t>()),
                      fmt::format("{:.3f}", point["share"].get<double>()),
                      share_of(point["task"]), share_of(point["kept"]),
                      point["chosen"].get<bool>() ? "← chosen" : ""});
  add(points, {true, true, true, true, false}, out);

  const double kept = forgetting.at("kept"), budget = forgetting.at("budget");
  std::string verdict = fmt::format("kept {} of general ability (least: {})",
                                    share_of(kept), least(general));
  if (budget > 0)
    verdict += fmt::format(
        "; --keep {}: {}", budget,
        forgetting.at("met").get<bool>()
            ? "met"
            : "NOT met by any point measured that does the task; of what was "
              "learned and what was kept, this one gives up least");
  out.push_back(std::move(verdict));
  out.push_back(fmt::format("{} answers lost, {} won (forgetting.json)",
                            forgetting.at("lost").size(),
                            forgetting.at("won").size()));
  return out;
}

}  // namespace seodang
