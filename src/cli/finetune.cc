#include "train/finetune.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/forgetting_summary.h"
#include "cli/options.h"
#include "cli/training_summary.h"
#include "cli/tuning_options.h"
#include "upbringing/task_recipe.h"

namespace seodang {
namespace {

void run(const FinetuneOptions& options, bool json) {
  const FinetuneSummary summary = finetune_with_page(options);
  const auto forgetting = nlohmann::ordered_json::parse(summary.forgetting);
  const std::filesystem::path& output = options.tuning.output;
  print_summary(summary.train, output, json, {{"forgetting", forgetting}});
  if (json) return;
  for (const std::string& line : forgetting_summary(forgetting))
    fmt::print("{}\n", line);
  fmt::print("The report: {}\n", (output / "report.html").string());
}

}  // namespace

void add_finetune(CLI::App& program) {
  const auto options =
      std::make_shared<FinetuneOptions>(default_finetune_options());
  InstructOptions& tuning = options->tuning;
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "finetune", "Teach an instruct model a task of one's own");
  add_tuning_options(
      command, tuning, *json,
      "The instruct model: a directory or a .gguf file, or MODEL+ADAPTER",
      "Directory that becomes the model, or with --lora the adapter");
  command->add_option("--test", options->test,
                      "Examples of the task to measure it with, each file by "
                      "itself, the first counting for --keep (default: those "
                      "held out by --validation)");
  command->add_option("--scorer", options->scorer,
                      "How the task's outputs are judged (TOML, "
                      "docs/finetune.md); without, by the words they share "
                      "with the outputs wanted");
  command->add_option("--general", options->general,
                      "Suites of what the model is able to do besides "
                      "(default: those of the run it lies in)");
  add_options(command, *options);
  command->footer(
      "An adapter is used as MODEL+ADAPTER in every command, and `seodang "
      "convert MODEL+ADAPTER OUT` merges it (docs/finetune.md).\n\n"
      "Examples:\n"
      "  seodang finetune runs/demo/instruct reports.jsonl -o adapter --lora\n"
      "  seodang finetune runs/demo/instruct reports.csv -o tuned --keep 0.98\n"
      "  seodang finetune llama.gguf reports.jsonl -o adapter --lora --rank 8 "
      "--target q_proj --target v_proj --general my-questions.jsonl");
  command->callback([=] { run(*options, *json); });
}

}  // namespace seodang
