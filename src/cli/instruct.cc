#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/training_summary.h"
#include "train/training.h"

namespace seodang {

void add_instruct(CLI::App& program) {
  const auto options = std::make_shared<InstructOptions>();
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "instruct", "Teach a base model to answer, from examples");
  command
      ->add_option("base", options->base,
                   "The base model: a directory or a .gguf file, or "
                   "MODEL+ADAPTER")
      ->required();
  command
      ->add_option("examples", options->examples,
                   "JSONL files of instruction/input/output, messages, "
                   "conversations or prompt/completion")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "Directory that becomes the instruct model, or with --lora "
                   "the adapter")
      ->required();
  command->add_option(
      "--replay-data", options->replay_data,
      "Pretraining data to mix in, so that nothing is forgotten");
  command->add_flag("--json", *json, "Print the summary as JSON");
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
