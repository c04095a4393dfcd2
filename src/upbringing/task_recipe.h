// A recipe of the third act: a task, and fine-tunes of one model for it, side
// by side. docs/recipes.md lists its keys.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/finetune.h"
#include "upbringing/stages.h"

namespace seodang {

struct TaskRecipe {
  std::string name;
  // By name, in their order.
  std::vector<std::pair<std::string, FinetuneOptions>> finetunes;
};

// Whether the file has a [task] rather than a [corpus]. Throws as
// load_task_recipe does.
bool is_task_recipe(const std::filesystem::path& file);

// [task] has what the fine-tunes share, options too; each [[finetune]] a name
// and options of its own. "{run}" in a path stands for the key `run`. Throws
// UsageError with file and line.
TaskRecipe load_task_recipe(const std::filesystem::path& file,
                            std::optional<uint64_t> seed = {},
                            const std::vector<std::string>& settings = {});

// finetune(), and OUTPUT/report.html.
FinetuneSummary finetune_with_page(const FinetuneOptions& options);

// Each makes RUN/NAME, with forgetting.json and report.html.
std::vector<Stage> finetune_stages(const TaskRecipe& recipe,
                                   const std::filesystem::path& run);

}  // namespace seodang
