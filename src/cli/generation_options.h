// The flags that generate, chat and compare share.
#pragma once

#include <CLI/App.hpp>
#include <string_view>

#include "generate/generation.h"

namespace seodang {

void add_generation_options(CLI::App* command, GenerateOptions& options);

// Throws UsageError when a text of the command line is not UTF-8; `what` names
// it.
void check_utf8(std::string_view text, std::string_view what);

}  // namespace seodang
