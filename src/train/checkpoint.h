// A checkpoint is a Hugging Face directory `checkpoint-STEP` (of an adapter,
// PEFT's) with two files more: optimizer.safetensors (AdamW's moments) and
// trainer_state.json. It appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "tokenizer/tokenizer.h"
#include "train/optimizer.h"

namespace seodang {

// Where a run stands between two steps.
struct TrainerState {
  int64_t step = 0;       // steps done
  int64_t last_step = 0;  // where the run ends
  std::string ending;     // why it ends before all its steps, if it does
  int64_t tokens = 0;     // tokens seen
  double seconds = 0;     // time spent, over all processes
  double train_loss = 0;  // smoothed
  double validation_loss = 0, best_validation_loss = 0;
  int64_t validations_without_gain = 0;
  double probe_before = 0;    // of the weights that the run began with
  int64_t metrics_bytes = 0;  // length of metrics.jsonl at that moment
  // Every option that the result depends on; a run goes on only with the same.
  std::map<std::string, std::string> options;
};

// Writes output/checkpoint-STEP and removes older ones. All ranks call it and
// the root writes, so that a checkpoint does not depend on how many there are.
void save_checkpoint(const std::filesystem::path& output,
                     const TrainerState& state, Optimizer& optimizer,
                     const Tokenizer& tokenizer);

// The newest whole checkpoint in `output`, if there is one.
std::optional<std::filesystem::path> find_checkpoint(
    const std::filesystem::path& output);

// Reads masters and moments back, each rank its own. Throws Error naming file
// and tensor.
TrainerState load_checkpoint(const std::filesystem::path& checkpoint,
                             Optimizer& optimizer);
// Only trainer_state.json.
TrainerState read_trainer_state(const std::filesystem::path& checkpoint);

// And the weights of the best validation.
void remove_checkpoints(const std::filesystem::path& output);

// The weights of the best validation so far, in output/best.safetensors while
// the run lasts. All ranks call it.
void save_best(const std::filesystem::path& output, int64_t step,
               Optimizer& optimizer);
// Reads them into the masters, which are all there, and returns their step.
int64_t load_best(const std::filesystem::path& output, Optimizer& optimizer);

}  // namespace seodang
