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
#include "train/ranks.h"
#include "upbringing/task_recipe.h"

namespace seodang {
namespace {

void run(const FinetuneOptions& options, bool json) {
  const FinetuneSummary summary = finetune_with_page(options);
  if (!Ranks::world().root()) return;
  const auto forgetting = nlohmann::ordered_json::parse(summary.forgetting);
  const std::filesystem::path& output = options.tuning.output;
  print_summary(summary.train, output, json, {{"forgetting", forgetting}});
  if (json) return;
  for (const std::string& line : forgetting_summary(forgetting))
    fmt::print("{}\n", line);
  fmt::print("The report: {}\n", (output / "report.html").string());
}

// Flags, and what both commands do. `examples` says what they learn from.
void add_command(CLI::App* command, const FinetuneOptions& defaults,
                 const char* examples, const char* test) {
  const auto options = std::make_shared<FinetuneOptions>(defaults);
  const auto json = std::make_shared<bool>(false);
  add_tuning_options(
      command, options->tuning, *json,
      "The instruct model: a directory or a .gguf file, or MODEL+ADAPTER",
      examples, "Directory that becomes the model, or with --lora the adapter");
  command->add_option("--test", options->test, test);
  command->add_option("--scorer", options->scorer,
                      "How the task's outputs are judged (TOML, "
                      "docs/finetune.md); without, by the words they share "
                      "with the outputs wanted");
  command->add_option("--general", options->general,
                      "Suites of what the model is able to do besides "
                      "(default: those of the run it lies in)");
  add_options(command, *options);
  command->callback([=] { run(*options, *json); });
}

}  // namespace

void add_finetune(CLI::App& program) {
  CLI::App* command = program.add_subcommand(
      "finetune", "Teach an instruct model a task of one's own");
  add_command(command, default_finetune_options(), kExampleFiles,
              "Examples of the task to measure it with, each file by itself, "
              "the first counting for --keep (default: those held out by "
              "--validation)");
  command->footer(
      "An adapter is used as MODEL+ADAPTER in every command, and `seodang "
      "convert MODEL+ADAPTER OUT` merges it (docs/finetune.md).\n\n"
      "Examples:\n"
      "  seodang finetune runs/demo/instruct reports.jsonl -o adapter --lora\n"
      "  seodang finetune runs/demo/instruct reports.csv -o tuned --keep 0.98\n"
      "  seodang finetune llama.gguf reports.jsonl -o adapter --lora --rank 8 "
      "--target q_proj --target v_proj --general my-questions.jsonl");
}

void add_prefer(CLI::App& program) {
  CLI::App* command = program.add_subcommand(
      "prefer", "Teach an instruct model which of two answers is the better");
  add_command(command, default_preference_options(),
              "JSONL files of prompt, chosen and rejected (texts or lists of "
              "messages), or a spreadsheet's .csv with such columns",
              "Examples to measure answers with, as for finetune (default: the "
              "chosen answers of the pairs held out by --validation)");
  command->footer(
      "Direct preference optimization, with the chosen answers learned beside "
      "it (docs/preferences.md).\n\n"
      "Examples:\n"
      "  seodang prefer runs/demo/instruct pairs.jsonl -o tuned\n"
      "  seodang prefer llama.gguf pairs.jsonl -o adapter --lora --beta 0.3\n"
      "  seodang prefer runs/demo/instruct pairs.csv -o tuned --keep 0.98");
}

}  // namespace seodang
