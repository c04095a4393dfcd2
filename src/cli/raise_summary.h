// What `raise` says: each stage as it begins, and in the end what the two
// models answer, their scores and what to do next. In Korean where the locale
// is.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "upbringing/stages.h"

namespace seodang {

// "[4/8] base: …", and why it runs or that nothing changed.
std::string stage_line(const StageOutcome& stage);

// Read from the stamps and eval.json of a run; at most `width` columns, where
// suites' names leave room.
std::vector<std::string> raise_summary(const std::filesystem::path& run,
                                       int width);

}  // namespace seodang
