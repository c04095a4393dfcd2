// What instruct and finetune share.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/conversations.h"
#include "train/loop.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/training.h"

namespace seodang {

// Hears of a run when all is ready and nothing has been learned: the optimizer
// has the starting weights, and `held` are the examples held out, of pairs what
// was chosen.
using BeforeTuning = std::function<void(TrainingRun& run, Optimizer& optimizer,
                                        const std::vector<Conversation>& held)>;

// What a stage adds to tuning.
struct TuningStage {
  std::string name;  // what the run is called
  BeforeTuning before = {};
  // The examples are pairs, to be learned from so.
  std::optional<PreferenceOptions> preference = {};
  int copies = 0;  // of what learns, in f32, that `before` takes
  // What the result depends on besides (TrainingRun::identity).
  std::map<std::string, std::string> identity = {};
};

// Trains `options.base` on its examples.
TrainSummary tune(const InstructOptions& options, const TuningStage& stage);

}  // namespace seodang
