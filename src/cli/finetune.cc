#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/training_summary.h"
#include "train/training.h"

namespace seodang {

void add_finetune(CLI::App& program) {
  const auto options = std::make_shared<InstructOptions>();
  options->replay = 0;
  options->train.epochs = 3;
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "finetune", "Teach an instruct model a task of one's own");
  command
      ->add_option("model", options->base,
                   "The instruct model: a directory or a .gguf file, or "
                   "MODEL+ADAPTER")
      ->required();
  command
      ->add_option("task", options->examples,
                   "JSONL files of instruction/input/output, messages, "
                   "conversations or prompt/completion")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "Directory that becomes the model, or with --lora the "
                   "adapter")
      ->required();
  command->add_option(
      "--replay-data", options->replay_data,
      "Prepared texts to mix in at --replay, so that less is forgotten");
  command->add_flag("--json", *json, "Print the summary as JSON");
  add_options(command, *options);
  command->footer(
      "An adapter is used as MODEL+ADAPTER in every command, and `seodang "
      "convert MODEL+ADAPTER OUT` merges it (docs/finetune.md).\n\n"
      "Examples:\n"
      "  seodang finetune runs/demo/instruct reports.jsonl -o adapter --lora\n"
      "  seodang finetune llama.gguf reports.jsonl -o adapter --lora --rank 8 "
      "--target q_proj --target v_proj\n"
      "  seodang finetune runs/demo/instruct reports.jsonl -o tuned --epochs "
      "2");
  command->callback(
      [=] { print_summary(finetune(*options), options->output, *json); });
}

}  // namespace seodang
