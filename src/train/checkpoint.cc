#include "train/checkpoint.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "checkpoint-";
constexpr const char* kMoments = "optimizer.safetensors";
constexpr const char* kBest = "best.safetensors";

// Step of a directory called checkpoint-STEP; what a killed process left behind
// (checkpoint-STEP.tmp-PID) has none.
std::optional<int64_t> step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return step;
}

std::vector<fs::path> entries_of(const fs::path& output) {
  std::vector<fs::path> out;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(output, code))
    if (entry.path().filename().string().starts_with(kPrefix))
      out.push_back(entry.path());
  return out;
}

std::vector<int64_t> shape_of(const Tensor& tensor) {
  return {tensor.rows, tensor.cols};
}

void write_tensors(const fs::path& path,
                   const std::vector<NamedTensor>& tensors,
                   const std::map<std::string, std::string>& metadata = {}) {
  std::vector<SafetensorsItem> items;
  for (const NamedTensor& tensor : tensors)
    items.push_back({tensor.name, shape_of(tensor.tensor), tensor.tensor});
  write_safetensors(path, items, metadata);
}

std::string state_json(const TrainerState& s) {
  Json json;
  json["global_step"] = s.step;
  json["last_step"] = s.last_step;
  json["ending"] = s.ending;
  json["tokens"] = s.tokens;
  json["seconds"] = s.seconds;
  json["train_loss"] = s.train_loss;
  json["validation_loss"] = s.validation_loss;
  json["best_validation_loss"] = s.best_validation_loss;
  json["validations_without_gain"] = s.validations_without_gain;
  json["probe_before"] = s.probe_before;
  json["metrics_bytes"] = s.metrics_bytes;
  json["options"] = s.options;
  return json.dump(2) + "\n";
}

void write_checkpoint(const fs::path& output, const TrainerState& state,
                      const Optimizer& optimizer, const Tokenizer& tokenizer) {
  const fs::path name = fmt::format("{}{}", kPrefix, state.step);
  AtomicDirectory directory(output / name);
  optimizer.save(directory.path());
  tokenizer.save(directory.path());
  write_tensors(directory.path() / kMoments, optimizer.moments());
  write_file(directory.path() / "trainer_state.json", state_json(state));
  directory.commit();
  for (const fs::path& old : entries_of(output))
    if (old.filename() != name) fs::remove_all(old);
}

}  // namespace

void save_checkpoint(const fs::path& output, const TrainerState& state,
                     Optimizer& optimizer, const Tokenizer& tokenizer) {
  optimizer.gather_all();
  if (Ranks::world().root())
    write_checkpoint(output, state, optimizer, tokenizer);
  optimizer.shard();
}

std::optional<fs::path> find_checkpoint(const fs::path& output) {
  std::optional<fs::path> newest;
  int64_t last = -1;
  for (const fs::path& path : entries_of(output)) {
    const auto step = step_of(path);
    if (!step || *step <= last) continue;
    last = *step;
    newest = path;
  }
  return newest;
}

TrainerState read_trainer_state(const fs::path& checkpoint) {
  const fs::path path = checkpoint / "trainer_state.json";
  try {
    const nlohmann::json json = read_json(path);
    TrainerState s;
    s.step = json.at("global_step");
    s.last_step = json.at("last_step");
    s.ending = json.at("ending");
    s.tokens = json.at("tokens");
    s.seconds = json.at("seconds");
    s.train_loss = json.at("train_loss");
    s.validation_loss = json.at("validation_loss");
    s.best_validation_loss = json.at("best_validation_loss");
    s.validations_without_gain = json.at("validations_without_gain");
    s.probe_before = json.at("probe_before");
    s.metrics_bytes = json.at("metrics_bytes");
    s.options = json.at("options").get<std::map<std::string, std::string>>();
    return s;
  } catch (const Json::exception& error) {
    throw Error("{}: {}; remove this checkpoint to start over", path.string(),
                error.what());
  }
}

TrainerState load_checkpoint(const fs::path& checkpoint, Optimizer& optimizer) {
  optimizer.load(checkpoint);
  optimizer.load_moments(checkpoint / kMoments);
  return read_trainer_state(checkpoint);
}

void remove_checkpoints(const fs::path& output) {
  for (const fs::path& path : entries_of(output)) fs::remove_all(path);
  fs::remove(output / kBest);
}

void save_best(const fs::path& output, int64_t step, Optimizer& optimizer) {
  optimizer.gather_masters();
  if (Ranks::world().root())
    write_tensors(output / kBest, optimizer.masters(),
                  {{"step", std::to_string(step)}});
  optimizer.shard();
}

int64_t load_best(const fs::path& output, Optimizer& optimizer) {
  const SafetensorsFile file(output / kBest);
  for (const NamedTensor& weight : optimizer.masters())
    convert(weight.tensor, file.tensor(weight.name, shape_of(weight.tensor)));
  optimizer.refresh();
  return std::stoll(file.metadata().at("step"));
}

}  // namespace seodang
