// The flags that commands of training share.
#pragma once

#include <CLI/App.hpp>

#include "train/options.h"

namespace seodang {

inline constexpr char kExampleFiles[] =
    "JSONL files, or JSON arrays, of instruction/input/output, messages, "
    "conversations or "
    "prompt/completion, or a spreadsheet's .csv with such columns";

void add_tensorboard_option(CLI::App* command, TrainOptions& options);

// Of instruct, finetune and prefer, without those that visit_options declares.
// `model`, `examples` and `output`
// say what the model to begin with, what it learns from, and the output are.
void add_tuning_options(CLI::App* command, InstructOptions& options, bool& json,
                        const char* model, const char* examples,
                        const char* output);

}  // namespace seodang
