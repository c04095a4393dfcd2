#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/forgetting_summary.h"
#include "cli/raise_summary.h"
#include "cli/terminal.h"
#include "upbringing/raise.h"

namespace seodang {
namespace {

void print_json(const RaiseSummary& summary) {
  nlohmann::ordered_json stages = nlohmann::ordered_json::array();
  for (const StageOutcome& stage : summary.stages)
    stages.push_back({{"name", stage.name},
                      {"ran", stage.ran},
                      {"reason", stage.reason},
                      {"seconds", stage.seconds}});
  const nlohmann::ordered_json out = {{"run", summary.run.string()},
                                      {"stages", stages}};
  fmt::print("{}\n", out.dump(2));
}

}  // namespace

void add_raise(CLI::App& program) {
  const auto options = std::make_shared<RaiseOptions>();
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "raise", "The whole upbringing of a recipe, from text to report");
  command->add_option("recipe", options->recipe, "A recipe (docs/recipes.md)")
      ->required();
  command->add_option("-o,--output", options->output,
                      "Directory of the run (default: runs/NAME)");
  command->add_option("--seed", options->seed, "Seed instead of the recipe's");
  command
      ->add_option("--set", options->settings,
                   "SECTION.KEY=VALUE instead of the recipe's (repeatable)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("--force", options->force,
                   "Run this stage again although nothing changed: corpus, "
                   "tokenizer, data, base, instruct, eval, report; of a task's "
                   "recipe, the name of a fine-tune")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--json", *json, "Print what was done as JSON");
  command->footer(
      "Stages whose options and inputs did not change are not run again; one "
      "that was interrupted goes on.\n\nExamples:\n"
      "  seodang raise recipes/demo.toml\n"
      "  seodang raise recipes/demo.toml --seed 2 -o runs/demo-2\n"
      "  seodang raise recipes/demo.toml --set instruct.replay=0 -o "
      "runs/no-replay\n"
      "  seodang raise recipes/demo.toml --force report\n"
      "  seodang raise recipes/report.toml");
  command->callback([=] {
    const RaiseSummary summary =
        raise_model(*options, [](const StageOutcome& stage) {
          fmt::print(stderr, "{}\n", stage_line(stage));
        });
    if (*json) return print_json(summary);
    if (summary.tasks) {
      std::vector<std::string> names;
      for (const StageOutcome& stage : summary.stages)
        names.push_back(stage.name);
      for (const std::string& line : finetunes_summary(summary.run, names))
        fmt::print("{}\n", line);
      return;
    }
    constexpr int kWidth = 80;  // also in a file
    const int width = terminal_width();
    for (const std::string& line :
         raise_summary(summary.run, width > 0 ? width : kWidth))
      fmt::print("{}\n", line);
  });
}

}  // namespace seodang
