// The flags that instruct and finetune share.
#pragma once

#include <CLI/App.hpp>

#include "train/options.h"

namespace seodang {

// Without those that visit_options declares. `model` and `output` say what the
// model to begin with and the output are.
void add_tuning_options(CLI::App* command, InstructOptions& options, bool& json,
                        const char* model, const char* output);

}  // namespace seodang
