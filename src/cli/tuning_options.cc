#include "cli/tuning_options.h"

#include "cli/options.h"

namespace seodang {

void add_tuning_options(CLI::App* command, InstructOptions& options, bool& json,
                        const char* model, const char* output) {
  command->add_option("model", options.base, model)->required();
  command
      ->add_option("examples", options.examples,
                   "JSONL files of instruction/input/output, messages, "
                   "conversations or prompt/completion")
      ->required();
  command->add_option("-o,--output", options.output, output)->required();
  command->add_option(
      "--replay-data", options.replay_data,
      "Prepared texts to mix in at --replay, so that less is forgotten");
  command->add_flag("--json", json, "Print the summary as JSON");
  add_options(command, options);
}

}  // namespace seodang
