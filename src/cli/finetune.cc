#include "train/finetune.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/forgetting_summary.h"
#include "cli/options.h"
#include "cli/training_summary.h"
#include "upbringing/report.h"
#include "upbringing/report_data.h"

namespace seodang {
namespace {

void run(const FinetuneOptions& options, bool json) {
  const FinetuneSummary summary = finetune(options);
  const auto forgetting = nlohmann::ordered_json::parse(summary.forgetting);
  const std::filesystem::path& output = options.tuning.output;
  const std::filesystem::path page = output / "report.html";
  write_file(page, report_page(collect_finetune_report(
                       output, options.tuning.train.seed)));
  print_summary(summary.train, output, json, {{"forgetting", forgetting}});
  if (json) return;
  for (const std::string& line : forgetting_summary(forgetting))
    fmt::print("{}\n", line);
  fmt::print("The report: {}\n", page.string());
}

}  // namespace

void add_finetune(CLI::App& program) {
  const auto options =
      std::make_shared<FinetuneOptions>(default_finetune_options());
  InstructOptions& tuning = options->tuning;
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "finetune", "Teach an instruct model a task of one's own");
  command
      ->add_option(
          "model", tuning.base,
          "The instruct model: a directory or a .gguf file, or MODEL+ADAPTER")
      ->required();
  command
      ->add_option("examples", tuning.examples,
                   "The task: .jsonl files of instruction/input/output, "
                   "messages, conversations or prompt/completion, or a "
                   "spreadsheet's .csv with such columns")
      ->required();
  command
      ->add_option("-o,--output", tuning.output,
                   "Directory that becomes the model, or with --lora the "
                   "adapter")
      ->required();
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
  command->add_option("--replay-data", tuning.replay_data,
                      "Prepared texts to mix in at --replay");
  command->add_option("--replay-examples", tuning.replay_examples,
                      "Examples that the model answers already, to mix in at "
                      "--replay");
  command->add_flag("--json", *json, "Print the summary as JSON");
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
