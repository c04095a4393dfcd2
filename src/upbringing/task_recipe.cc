#include "upbringing/task_recipe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "eval/suite.h"
#include "formats/toml_table.h"
#include "train/ranks.h"
#include "upbringing/recipe.h"
#include "upbringing/report.h"
#include "upbringing/report_data.h"
#include "upbringing/stage_values.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

// One path, which a stage before may have to make.
fs::path one_file(TomlTable& table, const char* key, const fs::path& directory,
                  const fs::path& run) {
  const auto found = recipe_files(table, key, directory, run);
  if (found.size() > 1) table.fail(key, "names more than one file");
  return found.empty() ? fs::path() : found.front();
}

// Options, and what may be replayed.
void read_options(TomlTable& table, const fs::path& directory,
                  const fs::path& run, FinetuneOptions& o) {
  visit_options(o, table);
  if (table.has("replay-data"))
    o.tuning.replay_data = one_file(table, "replay-data", directory, run);
  if (table.has("replay-examples"))
    o.tuning.replay_examples =
        recipe_files(table, "replay-examples", directory, run);
  table.refuse_unknown();
}

FinetuneOptions read_task(TomlTable table, const fs::path& directory,
                          const fs::path& run) {
  FinetuneOptions o = default_finetune_options();
  InstructOptions& tuning = o.tuning;
  const auto files = [&](const char* key) {
    return recipe_files(table, key, directory, run);
  };
  tuning.base = one_file(table, "model", directory, run);
  tuning.examples = files("examples");
  for (const char* key : {"model", "examples"})
    if (!table.has(key)) table.fail(key, "is missing");
  o.test = files("test");
  o.general = files("general");
  o.scorer = one_file(table, "scorer", directory, run);
  read_options(table, directory, run, o);
  return o;
}

}  // namespace

bool is_task_recipe(const fs::path& file) {
  return TomlTable::parse(file).has("task");
}

TaskRecipe load_task_recipe(const fs::path& file, std::optional<uint64_t> seed,
                            const std::vector<std::string>& settings) {
  TomlTable top = TomlTable::parse(file, settings);
  TaskRecipe recipe{.name = file.stem().string(), .finetunes = {}};
  top("name", recipe.name);
  check_run_name(recipe.name, file);
  uint64_t own_seed = 1;
  top("seed", own_seed);
  std::string run;
  top("run", run);
  const fs::path directory = fs::absolute(file).parent_path();
  FinetuneOptions shared = read_task(top.table("task"), directory, run);
  shared.tuning.train.seed = seed.value_or(own_seed);
  for (TomlTable& table : top.tables("finetune")) {
    FinetuneOptions o = shared;
    const std::string name = table.text("name");
    check_run_name(name, file);
    if (std::ranges::any_of(recipe.finetunes, [&](const auto& other) {
          return other.first == name;
        }))
      table.fail("name", "is another's too");
    read_options(table, directory, run, o);
    recipe.finetunes.emplace_back(name, std::move(o));
  }
  top.refuse_unknown();
  if (recipe.finetunes.empty())
    throw UsageError("{}: no [[finetune]]", file.string());
  return recipe;
}

FinetuneSummary finetune_with_page(const FinetuneOptions& options) {
  FinetuneSummary summary = finetune(options);
  const fs::path& output = options.tuning.output;
  if (!Ranks::world().root()) return summary;
  write_file(output / "report.html", report_page(collect_finetune_report(
                                         output, options.tuning.train.seed)));
  return summary;
}

std::vector<Stage> finetune_stages(const TaskRecipe& recipe,
                                   const fs::path& run) {
  std::vector<Stage> stages;
  for (const auto& [name, options] : recipe.finetunes) {
    FinetuneOptions o = options;
    o.tuning.output = run / name;
    Stage stage{.name = name, .output = run / name};
    stage.options = option_texts(o);
    stage.inputs = [o] {
      std::vector<fs::path> inputs = o.tuning.examples;
      const auto add = [&](const std::vector<fs::path>& files) {
        inputs.insert(inputs.end(), files.begin(), files.end());
      };
      add({o.tuning.base});
      add(o.test);
      add(o.general.empty() ? suites_of_run(o.tuning.base) : o.general);
      add(o.tuning.replay_examples);
      for (const fs::path& file : {o.scorer, o.tuning.replay_data})
        if (!file.empty()) inputs.push_back(file);
      return inputs;
    };
    stage.run = [o] { return summary_json(finetune_with_page(o).train); };
    stages.push_back(std::move(stage));
  }
  return stages;
}

}  // namespace seodang
