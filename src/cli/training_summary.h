// How `pretrain` and `instruct` end.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "train/training.h"

namespace seodang {

// With --json, `more` is part of the object.
void print_summary(const TrainSummary& summary,
                   const std::filesystem::path& output, bool json,
                   const nlohmann::ordered_json& more = {});

}  // namespace seodang
