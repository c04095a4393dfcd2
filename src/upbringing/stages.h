// Stages of an upbringing: each makes one thing from others, leaves a stamp of
// what it was made from, and is not run again while the stamp still fits.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace seodang {

using StageOptions = std::map<std::string, std::string>;

struct Stage {
  std::string name;
  std::filesystem::path output;  // the directory or file it makes, in RUN/
  StageOptions options =
      {};  // whatever else, besides inputs, decides the output
  // Asked when the stages before have run, since they make most of the inputs.
  std::function<std::vector<std::filesystem::path>()> inputs = {};
  // Makes the output and returns what is worth telling about it. If it was
  // interrupted, it finds what it had left in the output directory.
  std::function<nlohmann::json()> run = {};
};

// The stamp of a stage, kept in RUN/stages/NAME.json so that an output holds
// nothing that is not its own: an object of "stage", "program", "options",
// "inputs" (name and fingerprint each), "output" (fingerprint), "seconds",
// "result" (what run() returned); without "output" while the stage runs. Null
// when there is none, an empty object when it is damaged.
nlohmann::json read_stamp(const std::filesystem::path& run,
                          const std::string& stage);

struct StageOutcome {
  std::string name;
  size_t number = 0, stages = 0;  // the first of N is 1
  bool ran = false;
  std::string reason = {};  // why it ran: "new", "resumed", "size changed", ...
  double seconds = 0;
};

// Runs in order every stage that is new, interrupted, forced, or whose options,
// inputs or output are not those of its stamp. Output of an interrupted stage
// with the same options and inputs is left for run() to go on from; any other
// old output is removed first. `announce` hears of each stage before it runs
// (seconds 0) or once it is known to be unchanged.
//
// Throws UsageError when `force` names no stage, or when the output's place is
// taken by something that carries no stamp. A stage's own error is thrown on
// with the stage's name before it.
std::vector<StageOutcome> run_stages(
    const std::vector<Stage>& stages, const std::vector<std::string>& force,
    const std::function<void(const StageOutcome&)>& announce);

}  // namespace seodang
