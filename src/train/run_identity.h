// By what a run is recognised.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "train/training.h"

namespace seodang {

// Everything the result depends on, as text: a run is continued, or taken for
// done, only when all of it is the same.
using RunIdentity = std::map<std::string, std::string>;

// The summary of a run that is complete in `output` under this identity, if it
// is. Throws UsageError when another model or another run lives there.
bool already_trained(const std::filesystem::path& output,
                     const RunIdentity& identity, TrainSummary& summary);

// Throws Error in a rank whose run is another than the root's.
void check_same_run(const std::string& stage, const RunIdentity& identity);

}  // namespace seodang
