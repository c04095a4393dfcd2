#include "upbringing/stages.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

fs::path stamp_path(const fs::path& run, const std::string& stage) {
  return run / "stages" / (stage + ".json");
}

json new_stamp(const Stage& stage) {
  json inputs = json::array();
  for (const fs::path& input : stage.inputs())
    inputs.push_back({input.filename().string(), fingerprint(input)});
  return {{"stage", stage.name},
          {"program", SEODANG_VERSION},
          {"options", stage.options},
          {"inputs", std::move(inputs)}};
}

bool same_work(const json& old, const json& wanted) {
  return std::all_of(wanted.items().begin(), wanted.items().end(),
                     [&](const auto& item) {
                       return old.value(item.key(), json()) == item.value();
                     });
}

// Which part of the work is not as it was, in a few words.
std::string difference(const json& old, const json& wanted) {
  if (old.value("program", json()) != wanted["program"])
    return "the program changed";
  const json before = old.value("options", json::object());
  for (const auto& [key, value] : wanted["options"].items())
    if (before.value(key, json()) != value) return key + " changed";
  if (before.size() != wanted["options"].size()) return "options changed";
  const json files = old.value("inputs", json::array());
  for (const json& input : wanted["inputs"])
    if (std::find(files.begin(), files.end(), input) == files.end())
      return input[0].get<std::string>() + " changed";
  return "its inputs changed";
}

// Why the stage has to run; empty when it need not.
std::string reason_to_run(const Stage& stage, const json& old,
                          const json& wanted, bool forced) {
  if (old.is_null()) return "new";
  if (forced) return "forced";
  if (!same_work(old, wanted)) return difference(old, wanted);
  if (!old.contains("output")) return "resumed";
  if (!fs::exists(stage.output) || fingerprint(stage.output) != old["output"])
    return "its output changed";
  return "";
}

// What stands in the output's place and is not ours is not ours to remove.
void check_place(const Stage& stage, const json& old) {
  if (!old.is_null() || !fs::exists(stage.output)) return;
  if (fs::is_directory(stage.output) && fs::is_empty(stage.output)) return;
  throw UsageError(
      "{}: exists and was not made by raise; move it away, or choose another "
      "directory with -o",
      stage.output.string());
}

void write_stamp(const Stage& stage, const json& stamp) {
  const fs::path path = stamp_path(stage.output.parent_path(), stage.name);
  fs::create_directories(path.parent_path());
  write_file(path,
             stamp.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

// A stage's own failure, told with the stage's name.
json run_named(const Stage& stage) {
  try {
    return stage.run();
  } catch (const UsageError& error) {
    throw UsageError("stage {}: {}", stage.name, error.what());
  } catch (const std::exception& error) {
    throw Error("stage {}: {}", stage.name, error.what());
  }
}

void run_stage(const Stage& stage, bool forced, StageOutcome& outcome,
               const std::function<void(const StageOutcome&)>& announce) {
  const json old = read_stamp(stage.output.parent_path(), stage.name);
  check_place(stage, old);
  json stamp = new_stamp(stage);
  outcome.reason = reason_to_run(stage, old, stamp, forced);
  outcome.ran = !outcome.reason.empty();
  announce(outcome);
  if (!outcome.ran) return;

  const auto start = std::chrono::steady_clock::now();
  if (outcome.reason != "resumed") fs::remove_all(stage.output);
  write_stamp(stage, stamp);
  stamp["result"] = run_named(stage);
  outcome.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  stamp["seconds"] = outcome.seconds;
  stamp["output"] = fingerprint(stage.output);
  write_stamp(stage, stamp);
}

void check_force(const std::vector<Stage>& stages,
                 const std::vector<std::string>& force) {
  for (const std::string& name : force) {
    std::string known;
    bool found = false;
    for (const Stage& stage : stages) {
      found = found || stage.name == name;
      known += (known.empty() ? "" : ", ") + stage.name;
    }
    if (!found)
      throw UsageError("--force {}: no such stage; the stages are {}", name,
                       known);
  }
}

}  // namespace

json read_stamp(const fs::path& run, const std::string& stage) {
  const fs::path path = stamp_path(run, stage);
  if (!fs::exists(path)) return json();
  const json stamp = json::parse(read_file(path), nullptr, false);
  const bool sound = stamp.is_object() &&
                     stamp.value("options", json()).is_object() &&
                     stamp.value("inputs", json()).is_array();
  return sound ? stamp : json::object();
}

std::vector<StageOutcome> run_stages(
    const std::vector<Stage>& stages, const std::vector<std::string>& force,
    const std::function<void(const StageOutcome&)>& announce) {
  check_force(stages, force);
  std::vector<StageOutcome> outcomes;
  for (const Stage& stage : stages) {
    const bool forced =
        std::find(force.begin(), force.end(), stage.name) != force.end();
    outcomes.push_back({.name = stage.name,
                        .number = outcomes.size() + 1,
                        .stages = stages.size()});
    run_stage(stage, forced, outcomes.back(), announce);
  }
  return outcomes;
}

}  // namespace seodang
