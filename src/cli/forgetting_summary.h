// What `finetune` and `raise` say of what a tuning gained and cost.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace seodang {

// Lines, without their ends; `forgetting` is what forgetting.json holds.
std::vector<std::string> forgetting_summary(
    const nlohmann::ordered_json& forgetting);

}  // namespace seodang
