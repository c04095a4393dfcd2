#include "model/model.h"

#include <spdlog/spdlog.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

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
  const nlohmann::json index = read_json(path);
  if (!index.is_object() || !index.contains("weight_map") ||
      !index["weight_map"].is_object())
    throw Error("{}: no weight_map", path.string());
  std::map<std::string, std::string> out;
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string() ||
        fs::path(file.get<std::string>()).filename() != file.get<std::string>())
      throw Error("{}: weight_map of {} is not a file name", path.string(),
                  name);
    out[name] = file;
  }
  return out;
}

// The tensors of a directory under the names that a text model has.
class StoredTensors {
 public:
  StoredTensors(const fs::path& directory,
                std::map<std::string, SafetensorsFile>& files)
      : directory_(directory),
        index_(directory / "model.safetensors.index.json"),
        files_(files) {
    if (!fs::exists(directory / "model.safetensors") && fs::exists(index_))
      file_of_ = read_index(index_);
    if (file_of_.empty()) {
      SafetensorsFile& file = open("model.safetensors");
      for (const auto& [name, entry] : file.entries())
        file_of_[name] = "model.safetensors";
    }
  }

  Tensor find(const std::string& name, const WeightShape& shape) {
    const auto found = file_of_.find(stored_name(name));
    if (found == file_of_.end())
      throw Error("{}: tensor {} is missing", directory_.string(), name);
    std::vector<int64_t> stored_shape = {shape.cols};
    if (shape.decayed) stored_shape.insert(stored_shape.begin(), shape.rows);
    used_.insert(found->first);
    return open(found->second).tensor(found->first, stored_shape);
  }

  // Throws Error when something is left that changes what the model computes.
  void check_rest(const ModelConfig& config) const {
    int64_t vision = 0;
    for (const auto& [name, file] : file_of_) {
      if (used_.contains(name) || name.ends_with("rotary_emb.inv_freq") ||
          (config.tie_word_embeddings && name.ends_with("lm_head.weight")))
        continue;
      if (config.architecture != "Gemma3ForCausalLM" || !is_vision(name))
        throw Error("{}: tensor {} is not one of a {} like this",
                    (directory_ / file).string(), name, config.architecture);
      ++vision;
    }
    if (vision > 0)
      spdlog::info("{}: only the text part is used, {} vision tensors are not",
                   directory_.string(), vision);
  }

 private:
  SafetensorsFile& open(const std::string& file) {
    const auto at = files_.find(file);
    if (at != files_.end()) return at->second;
    return files_.emplace(file, SafetensorsFile(directory_ / file))
        .first->second;
  }
  // Models that also see pictures have the text model's names inside theirs.
  std::string stored_name(const std::string& name) const {
    if (file_of_.contains(name)) return name;
    if (std::string outer = "language_model." + name; file_of_.contains(outer))
      return outer;
    constexpr std::string_view kModel = "model.";
    return name.starts_with(kModel)
               ? "model.language_model." + name.substr(kModel.size())
               : name;
  }
  static bool is_vision(const std::string& name) {
    constexpr std::array<std::string_view, 4> kParts = {
        "vision_tower.", "multi_modal_projector.", "model.vision_tower.",
        "model.multi_modal_projector."};
    return std::any_of(kParts.begin(), kParts.end(),
                       [&](auto part) { return name.starts_with(part); });
  }

  fs::path directory_, index_;
  std::map<std::string, SafetensorsFile>& files_;
  std::map<std::string, std::string> file_of_;
  std::set<std::string> used_;
};

}  // namespace

Model Model::open(const fs::path& directory) {
  Model model;
  model.config_ = ModelConfig::load(directory);
  StoredTensors stored(directory, model.files_);
  for_each_weight(
      model.config_, model.weights_,
      [&](const std::string& name, Tensor& tensor, const WeightShape& shape) {
        tensor = stored.find(name, shape);
      });
  stored.check_rest(model.config_);
  return model;
}

void Model::take_memory(Dtype dtype) {
  const auto from = named_weights(config_, weights_);
  memory_ = OwnedTensor(dtype, 1, weights_size(config_));
  weights_ = weights_at(config_, memory_.view().data, dtype);
  const auto to = named_weights(config_, weights_);
  for (size_t i = 0; i < to.size(); ++i) convert(to[i].tensor, from[i].tensor);
  files_.clear();
}

Model Model::load(const fs::path& directory, Dtype dtype) {
  Model model = open(directory);
  model.take_memory(dtype);
  return model;
}

Model Model::map(const fs::path& directory, Dtype dtype) {
  Model model = open(directory);
  // Where the matrices cannot stay (few files mix theirs), one block is better.
  const Dtype stored = model.weights_.embed_tokens.dtype;
  if (dtype_in_use(stored, {.decayed = true}, dtype) != stored) {
    model.take_memory(dtype);
    return model;
  }
  for_each_weight(
      model.config_, model.weights_,
      [&](const std::string&, Tensor& tensor, const WeightShape& shape) {
        const Dtype wanted = dtype_in_use(tensor.dtype, shape, dtype);
        const auto address = reinterpret_cast<uintptr_t>(tensor.data);
        if (tensor.dtype == wanted && address % size_of(wanted) == 0) return;
        model.converted_.emplace_back(wanted, tensor.rows, tensor.cols);
        convert(model.converted_.back(), tensor);
        tensor = model.converted_.back();
      });
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
    const bool multiplies = weight.name.ends_with("norm.weight");
    const float fixed = multiplies && !config.norm_plus_one ? 1.0f : 0.0f;
    Rng rng(seed, ++stream);
    OwnedTensor values(Dtype::f32, weight.tensor.rows, weight.tensor.cols);
    float* value = values.view().row<float>(0);
    for (int64_t i = 0; i < weight.tensor.size(); ++i)
      value[i] =
          weight.decayed ? static_cast<float>(deviation * rng.normal()) : fixed;
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
