// What instruct and finetune share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/conversations.h"
#include "train/loop.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/training.h"

namespace seodang {

// Hears of a run when all is ready and nothing has been learned: the optimizer
// has the starting weights, and `held` are the examples held out.
using BeforeTuning = std::function<void(TrainingRun& run, Optimizer& optimizer,
                                        const std::vector<Conversation>& held)>;

// Trains `options.base` on its examples; `stage` is what the run is called.
// `before` takes as many `copies` of what learns, in f32.
TrainSummary tune(const InstructOptions& options, const std::string& stage,
                  const BeforeTuning& before = {}, int copies = 0);

}  // namespace seodang
