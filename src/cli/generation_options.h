// The flags that generate, chat and compare share.
#pragma once

#include <CLI/App.hpp>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "generate/generation.h"
#include "serve/remote_model.h"

namespace seodang {

// --prompt-lookup, of models that run here.
void add_prompt_lookup_option(CLI::App* command, GenerateOptions& options);
// --kv-cache-type; `dtype` has to live as long as the command.
void add_kv_cache_option(CLI::App* command, std::optional<Dtype>& dtype);

void add_generation_options(CLI::App* command, GenerateOptions& options);

// Throws UsageError when a text of the command line is not UTF-8; `what` names
// it.
void check_utf8(std::string_view text, std::string_view what);

// {"prompt_tokens", "completion_tokens", "accepted_draft_tokens" (of those, the
// ones that --prompt-lookup had right), "prompt_per_second", "per_second"}.
nlohmann::ordered_json usage_json(const Generation& generation);
// The same, but for drafts and the time of the prompt, of which nothing is
// known.
nlohmann::ordered_json usage_json(const RemoteAnswer& answer);

}  // namespace seodang
