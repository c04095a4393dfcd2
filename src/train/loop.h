// The one training loop. Stages differ in the batches they bring.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/batches.h"
#include "eval/probe.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/repair.h"
#include "train/run_identity.h"
#include "train/training.h"

namespace seodang {

// A prompt to continue every so often.
struct SamplePrompt {
  std::string text;
  std::vector<int32_t> tokens;
};

struct TrainingRun {
  std::string stage;     // "pretrain", "instruct": begins each line
  TrainOptions options;  // steps and learning_rate are settled
  int32_t patience = 0;
  double until_probe = 0;
  const BatchSource* batches = nullptr;
  Teacher teacher;  // of distilled tokens; its scale is their loss's weight
  std::optional<PreferenceOptions> preference;  // the batches hold pairs
  std::vector<Batch> validation;
  std::vector<SamplePrompt> samples;
  std::optional<Probe> probe;  // measured at each validation
  // Likewise; the shares that it returns go to metrics.jsonl.
  std::function<nlohmann::ordered_json(int64_t step)> observe;
  Repair repair;
  // Called when training is over, before the optimizer's weights are saved;
  // false when it was told to stop, with the weights as they were.
  std::function<bool()> settle;
  const Tokenizer* tokenizer = nullptr;
  std::filesystem::path output;
  int64_t predicted_memory = 0;    // bytes (train/memory.h)
  std::vector<std::string> notes;  // said when the run begins
  ExampleCounts examples;          // for the summary
  RunIdentity identity;
};

// Trains until options.steps, from the newest checkpoint in run.output if there
// is one, and leaves the model there. Same run, same machine, same number of
// threads: the same bytes, whether or not it was stopped in between.
// Throws Error when the loss is no number, or the run is told to stop (SIGINT,
// SIGTERM: a checkpoint is written first).
TrainSummary train(Optimizer& optimizer, const TrainingRun& run);

}  // namespace seodang
