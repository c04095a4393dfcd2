#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/training_summary.h"
#include "cli/tuning_options.h"
#include "model/config.h"
#include "train/training.h"

namespace seodang {

void add_pretrain(CLI::App& program) {
  constexpr int32_t kUsualVocab = 8192;
  const auto options = std::make_shared<PretrainOptions>();
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand(
      "pretrain", "Learn to predict the next token of a prepared corpus");
  command->add_option("--data", options->data, "What `seodang data` wrote")
      ->required();
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "Directory with tokenizer.json")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "Directory that becomes the model")
      ->required();
  command->add_flag("--json", *json, "Print the summary as JSON");
  add_tensorboard_option(command, options->train);
  add_options(command, *options);
  std::string sizes;
  for (const ModelSize& size : model_sizes())
    sizes += fmt::format(
        "  {:<8} {:>5.1f}M weights: hidden {}, {} layers, {} heads, context "
        "{}\n",
        size.name,
        static_cast<double>(
            config_of_size(size, kUsualVocab).num_parameters()) /
            1e6,
        size.hidden_size, size.num_hidden_layers, size.num_attention_heads,
        size.max_position_embeddings);
  command->footer(
      fmt::format("Sizes, with {} tokens:\n{}\n", kUsualVocab, sizes) +
      "Stopped by Ctrl-C, a signal or a crash, the same command goes on from "
      "the newest checkpoint.\n\nExamples:\n"
      "  seodang pretrain --data corpus/ --tokenizer tok/ -o base --size demo "
      "--steps 1500\n"
      "  seodang pretrain --data corpus/ --tokenizer tok/ -o base --size small "
      "--epochs 2 --sample \"나는 아침에 밥을\"\n"
      "  mpirun -n 4 --bind-to none seodang pretrain --data corpus/ "
      "--tokenizer tok/ -o base    (docs/scaling.md)");
  command->callback(
      [=] { print_summary(pretrain(*options), options->output, *json); });
}

}  // namespace seodang
