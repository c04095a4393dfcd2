#include "cli/tuning_options.h"

#include "cli/options.h"

namespace seodang {

void add_tensorboard_option(CLI::App* command, TrainOptions& options) {
  command
      ->add_option("--tensorboard", options.tensorboard,
                   "Folder in which TensorBoard finds the curves, too "
                   "(tensorboard --logdir DIR)")
      ->type_name("DIR");
}

void add_tuning_options(CLI::App* command, InstructOptions& options, bool& json,
                        const char* model, const char* examples,
                        const char* output) {
  command->add_option("model", options.base, model)->required();
  command->add_option("examples", options.examples, examples)->required();
  command->add_option("-o,--output", options.output, output)->required();
  command->add_option(
      "--replay-data", options.replay_data,
      "Prepared texts to mix in at --replay, so that less is forgotten");
  command->add_option("--replay-examples", options.replay_examples,
                      "Examples that the model answers already, likewise");
  command->add_flag("--json", json, "Print the summary as JSON");
  add_tensorboard_option(command, options.train);
}

}  // namespace seodang
