#include "train/run_identity.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "formats/json.h"
#include "train/checkpoint.h"
#include "train/ranks.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

}  // namespace

bool already_trained(const fs::path& output, const RunIdentity& identity,
                     TrainSummary& summary) {
  const auto complain = [&](const RunIdentity& other, std::string_view what) {
    std::string differences;
    for (const auto& [key, value] : identity) {
      const auto found = other.find(key);
      if (found != other.end() && found->second == value) continue;
      differences += fmt::format(
          "{}{} = {}, now it is {}", differences.empty() ? "" : "; ", key,
          found == other.end() ? "(nothing)" : found->second, value);
    }
    if (!differences.empty())
      throw UsageError(
          "{} holds {} with {}; name another --output, or remove it to start "
          "over",
          output.string(), what, differences);
  };
  if (const auto checkpoint = find_checkpoint(output))
    complain(read_trainer_state(*checkpoint).options, "a run");
  if (!fs::exists(output / "model.safetensors") &&
      !fs::exists(output / "adapter_model.safetensors"))
    return false;
  const fs::path path = output / "training.json";
  if (!fs::exists(path))
    throw UsageError("{} holds another model; name another --output",
                     output.string());
  try {
    const nlohmann::json json = read_json(path);
    complain(json.at("options").get<RunIdentity>(), "a model trained");
    visit_summary(summary, [&](const char* name, auto& value) {
      if (json.contains(name)) json.at(name).get_to(value);
    });
  } catch (const Json::exception& error) {
    throw Error("{}: {}", path.string(), error.what());
  }
  if (Ranks::world().root()) remove_checkpoints(output);
  return true;
}

void check_same_run(const std::string& stage, const RunIdentity& identity) {
  std::string text;
  for (const auto& [key, value] : identity) text += key + "=" + value + "\n";
  constexpr uint64_t kExact = uint64_t{1} << 53;  // in a double
  const auto own = static_cast<double>(hash_bytes(text).low % kExact);
  if (Ranks::world().broadcast(own) != own)
    throw Error(
        "{}: this rank was given another model, other data or other options "
        "than rank 0; all need the same files under the same paths",
        stage);
}

}  // namespace seodang
