#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/training_summary.h"
#include "cli/tuning_options.h"
#include "train/training.h"

namespace seodang {

void add_finetune(CLI::App& program) {
  const auto options = std::make_shared<InstructOptions>();
  options->replay = 0;
  options->train.epochs = 3;
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "finetune", "Teach an instruct model a task of one's own");
  add_tuning_options(
      command, *options, *json,
      "The instruct model: a directory or a .gguf file, or MODEL+ADAPTER",
      "Directory that becomes the model, or with --lora the adapter");
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
