#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/training_summary.h"
#include "cli/tuning_options.h"
#include "train/training.h"

namespace seodang {

void add_instruct(CLI::App& program) {
  const auto options = std::make_shared<InstructOptions>();
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "instruct", "Teach a base model to answer, from examples");
  add_tuning_options(
      command, *options, *json,
      "The base model: a directory or a .gguf file, or MODEL+ADAPTER",
      kExampleFiles,
      "Directory that becomes the instruct model, or with --lora the adapter");
  add_options(command, *options);
  command->footer(
      "Examples:\n"
      "  seodang instruct base examples.jsonl -o tuned --replay-data corpus/\n"
      "  seodang instruct base a.jsonl b.jsonl -o tuned --replay 0 --epochs 3\n"
      "  seodang instruct base examples.jsonl -o adapter --lora --replay 0");
  command->callback(
      [=] { print_summary(instruct(*options), options->output, *json); });
}

}  // namespace seodang
