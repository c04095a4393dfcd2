#include "model/model.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A norm is stored as a vector, everything else as a matrix.
std::vector<int64_t> shape_in_file(const NamedTensor& weight) {
  if (!weight.decayed) return {weight.tensor.cols};
  return {weight.tensor.rows, weight.tensor.cols};
}

// Which file of a sharded model holds which tensor.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const nlohmann::json json = read_json(path);
  if (!json.is_object() || !json.contains("weight_map") ||
      !json["weight_map"].is_object())
    throw Error("{}: no weight_map", path.string());
  std::map<std::string, std::string> out;
  for (const auto& [name, file] : json["weight_map"].items()) {
    if (!file.is_string() ||
        fs::path(file.get<std::string>()).filename() != file.get<std::string>())
      throw Error("{}: weight_map of {} is not a file name", path.string(),
                  name);
    out[name] = file;
  }
  return out;
}

}  // namespace

Model Model::load(const fs::path& directory, Dtype dtype) {
  Model model;
  model.config_ = ModelConfig::load(directory);
  const fs::path single = directory / "model.safetensors";
  const fs::path index = directory / "model.safetensors.index.json";
  std::map<std::string, std::string> file_of;
  if (!fs::exists(single) && fs::exists(index)) file_of = read_index(index);

  // Opening checks sizes before any memory is asked for.
  std::map<std::string, SafetensorsFile> files;
  const auto file_with = [&](const std::string& name) -> SafetensorsFile& {
    const auto found = file_of.find(name);
    if (!file_of.empty() && found == file_of.end())
      throw Error("{}: tensor {} is missing", index.string(), name);
    const std::string file =
        file_of.empty() ? "model.safetensors" : found->second;
    const auto at = files.find(file);
    if (at != files.end()) return at->second;
    return files.emplace(file, SafetensorsFile(directory / file)).first->second;
  };
  const auto expected =
      named_weights(model.config_, weights_at(model.config_, nullptr, dtype));
  file_with(expected[0].name)
      .tensor(expected[0].name,
              {model.config_.vocab_size, model.config_.hidden_size});

  model.memory_ = OwnedTensor(dtype, 1, weights_size(model.config_));
  model.weights_ = weights_at(model.config_, model.memory_.view().data, dtype);
  for (const NamedTensor& weight : named_weights(model.config_, model.weights_))
    convert(weight.tensor,
            file_with(weight.name).tensor(weight.name, shape_in_file(weight)));
  return model;
}

Model Model::random(const ModelConfig& config, uint64_t seed, Dtype dtype) {
  Model model;
  model.config_ = config;
  model.memory_ = OwnedTensor(dtype, 1, weights_size(config));
  model.weights_ = weights_at(config, model.memory_.view().data, dtype);
  uint64_t stream = 0;
  for (const NamedTensor& weight : named_weights(config, model.weights_)) {
    const bool residual = weight.name.ends_with("o_proj.weight") ||
                          weight.name.ends_with("down_proj.weight");
    const double deviation =
        config.initializer_range /
        (residual ? std::sqrt(2.0 * config.num_hidden_layers) : 1.0);
    Rng rng(seed, ++stream);
    OwnedTensor values(Dtype::f32, weight.tensor.rows, weight.tensor.cols);
    float* value = values.view().row<float>(0);
    for (int64_t i = 0; i < weight.tensor.size(); ++i)
      value[i] =
          weight.decayed ? static_cast<float>(deviation * rng.normal()) : 1.0f;
    convert(weight.tensor, values);
  }
  return model;
}

void Model::set_token_ids(int32_t bos, std::vector<int32_t> eos) {
  config_.bos_token_id = bos;
  config_.eos_token_id = std::move(eos);
}

void save_model(const fs::path& directory, const ModelConfig& config,
                const Weights& weights) {
  write_file(directory / "config.json", config.to_json());
  Json generation;
  if (config.bos_token_id >= 0)
    generation["bos_token_id"] = config.bos_token_id;
  if (!config.eos_token_id.empty())
    generation["eos_token_id"] = config.eos_token_id;
  write_file(directory / "generation_config.json", generation.dump(2) + "\n");
  std::vector<SafetensorsItem> items;
  for (const NamedTensor& weight : named_weights(config, weights))
    items.push_back({weight.name, shape_in_file(weight), weight.tensor});
  write_safetensors(directory / "model.safetensors", items);
}

}  // namespace seodang
