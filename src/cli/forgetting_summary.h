// What `finetune` and `raise` say of what a tuning gained and cost.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace seodang {

// Lines, without their ends; `forgetting` is what forgetting.json holds.
std::vector<std::string> forgetting_summary(
    const nlohmann::ordered_json& forgetting);

// Those of several fine-tunes, a row each, by the names of their directories in
// `run`.
std::vector<std::string> finetunes_summary(
    const std::filesystem::path& run, const std::vector<std::string>& names);

}  // namespace seodang
