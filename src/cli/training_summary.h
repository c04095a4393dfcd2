// How `pretrain` and `instruct` end.
#pragma once

#include <filesystem>

#include "train/training.h"

namespace seodang {

void print_summary(const TrainSummary& summary,
                   const std::filesystem::path& output, bool json);

}  // namespace seodang
