#include "model/model_source.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/threads.h"
#include "formats/json.h"
#include "formats/shard_name.h"
#include "kernels/convert.h"
#include "kernels/matmul.h"
#include "model/gguf_mapping.h"
#include "tokenizer/tokenizer_files.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kOneFile = "model.safetensors";

// --- Which file of a directory holds which tensor.

using FileOfTensor = std::map<std::string, std::string>;

FileOfTensor read_index(const fs::path& directory) {
  const fs::path path = directory / kIndex;
  const json index = read_json(path);
  if (!index.is_object() || !index.contains("weight_map") ||
      !index["weight_map"].is_object())
    throw Error("{}: no weight_map", path.string());
  FileOfTensor out;
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string() ||
        fs::path(file.get<std::string>()).filename() != file.get<std::string>())
      throw Error("{}: weight_map of {} is not a file name", path.string(),
                  name);
    out[name] = file;
    if (!fs::exists(directory / out[name]))
      throw Error("{}: {} is missing, which {} names for {}",
                  directory.string(), out[name], kIndex, name);
  }
  if (out.empty()) throw Error("{}: weight_map is empty", path.string());
  return out;
}

// A set of shards that lies there without its index.
std::vector<std::string> find_shards(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.insert(entry.path().filename().string());
  for (const std::string& first : names) {
    const auto shard = parse_shard_name(first, ".safetensors");
    if (!shard || shard->number != 1) continue;
    std::vector<std::string> shards;
    for (int64_t i = 1; i <= shard->count; ++i) {
      shards.push_back(shard->other(i));
      if (!names.contains(shards.back()))
        throw Error("{}: {} is missing, one of {} shards", directory.string(),
                    shards.back(), shard->count);
    }
    return shards;
  }
  for (const std::string& name : names)
    if (name.ends_with(".bin") || name.ends_with(".pth"))
      throw Error("{}: no {}; {} is not read, save it as safetensors",
                  directory.string(), kOneFile, name);
  throw Error("{}: no {}", directory.string(), kOneFile);
}

bool is_vision(const std::string& name) {
  constexpr std::array<std::string_view, 4> kParts = {
      "vision_tower.", "multi_modal_projector.", "model.vision_tower.",
      "model.multi_modal_projector."};
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](auto part) { return name.starts_with(part); });
}

// Models that also see pictures have the text model's names inside theirs.
std::string name_in(const FileOfTensor& files, const std::string& name) {
  if (files.contains(name)) return name;
  if (std::string outer = "language_model." + name; files.contains(outer))
    return outer;
  constexpr std::string_view kModel = "model.";
  return name.starts_with(kModel)
             ? "model.language_model." + name.substr(kModel.size())
             : name;
}

}  // namespace

bool is_gguf(const fs::path& path) { return path.extension() == ".gguf"; }

ModelSource::ModelSource(const fs::path& path)
    : model_path_(path), json_(std::make_unique<json>()) {
  if (is_gguf(model_path_.base))
    open_gguf();
  else
    open_directory();
  open_adapters();
}
ModelSource::~ModelSource() = default;

void ModelSource::open_directory() {
  if (!fs::is_directory(path()))
    throw Error("{}: no such model directory", path().string());
  if (!fs::exists(path() / "config.json"))
    throw Error("{}: no config.json is in it{}", path().string(),
                meant_instead(path()));
  config_ = ModelConfig::load(path());
  *json_ = json::parse(config_.to_json());
  const auto open = [&](const std::string& file) -> const SafetensorsFile& {
    const auto at = files_.find(file);
    if (at != files_.end()) return at->second;
    return files_.emplace(file, SafetensorsFile(path() / file)).first->second;
  };
  FileOfTensor file_of;
  if (fs::exists(path() / kIndex)) {
    file_of = read_index(path());
  } else {
    const bool one = fs::exists(path() / kOneFile);
    for (const std::string& file :
         one ? std::vector<std::string>{kOneFile} : find_shards(path()))
      for (const auto& [name, entry] : open(file).entries())
        if (!file_of.emplace(name, file).second)
          throw Error("{}: tensor {} lies in {} and in {}", path().string(),
                      name, file_of[name], file);
  }

  std::set<std::string> used;
  Weights weights;
  for_each_weight(
      config_, weights,
      [&](const std::string& name, Tensor&, const WeightShape& shape) {
        const auto found = file_of.find(name_in(file_of, name));
        if (found == file_of.end())
          throw Error("{}: tensor {} is missing", path().string(), name);
        used.insert(found->first);
        SourceTensor tensor{.name = name, .shape = shape, .stored = {}};
        tensor.stored =
            open(found->second).tensor(found->first, shape.in_file());
        tensors_.push_back(std::move(tensor));
      });
  for (const auto& [name, file] : file_of) {
    if (used.contains(name) || name.ends_with("rotary_emb.inv_freq") ||
        (config_.tie_word_embeddings && name.ends_with("lm_head.weight")))
      continue;
    if (config_.architecture != "Gemma3ForCausalLM" || !is_vision(name))
      throw Error("{}: tensor {} is not one of a {} like this",
                  (path() / file).string(), name, config_.architecture);
    ++vision_tensors_;
  }
}

void ModelSource::open_gguf() {
  gguf_ = std::make_unique<GgufFile>(path());
  *json_ = config_of(*gguf_);
  config_ = ModelConfig::from_json(*json_, path().string());
  const Family& family = gguf_family_of(*gguf_);
  std::map<std::string, std::string> left;  // GGUF's name by Hugging Face's
  for (const auto& [name, entry] : gguf_->tensors()) {
    if (name == kRopeFactors) continue;  // in the configuration
    const std::string hf = hf_tensor_name(family, name);
    if (hf.empty())
      throw Error("{}: tensor {} is not one of {}", path().string(), name,
                  family.architecture);
    left.emplace(hf, name);
  }
  Weights weights;
  for_each_weight(
      config_, weights,
      [&](const std::string& name, Tensor&, const WeightShape& shape) {
        const auto found = left.find(name);
        if (found == left.end())
          throw Error("{}: tensor {} is missing", path().string(),
                      gguf_tensor_name(family, name));
        SourceTensor tensor{.name = name, .shape = shape, .stored = {}};
        tensor.stored = gguf_->tensor(found->second, shape.in_file());
        tensor.shift = gguf_shift(family, name);
        if (const int64_t heads = reordered_heads(family, name, config_);
            heads > 0) {
          if (!shape.decayed && is_quantized(tensor.stored.dtype))
            throw Error("{}: tensor {} is a vector in blocks", path().string(),
                        found->second);
          if (!shape.decayed)
            tensor.stored =
                Tensor(tensor.stored.data, tensor.stored.dtype, shape.cols, 1);
          tensor.reordered_head_dim = tensor.stored.rows / heads;
        }
        tensors_.push_back(std::move(tensor));
        left.erase(found);
      });
  if (!left.empty())
    throw Error("{}: tensor {} is not one of a model like this",
                path().string(), left.begin()->second);
}

void ModelSource::open_adapters() {
  std::map<std::string, SourceTensor*> by_name;
  for (SourceTensor& tensor : tensors_) by_name[tensor.name] = &tensor;
  for (const fs::path& directory : model_path_.adapters) {
    const Adapter& adapter =
        adapters_.emplace_back(Adapter::load(directory, config_));
    for (const auto& [name, stored] : adapter.replaced()) {
      SourceTensor& tensor = *by_name.at(name);
      tensor = {.name = name, .shape = tensor.shape, .stored = stored};
    }
    for (const Adapter::Part& part : adapter.parts())
      if (const auto found = by_name.find(part.module + ".weight");
          found != by_name.end()) {  // a tied lm_head has no tensor
        if (part.has_rows())
          found->second->token_rows.push_back(part.rows);
        else
          found->second->loras.push_back(part.lora);
      }
  }
}

void ModelSource::check_mergeable() const {
  if (!config_.tie_word_embeddings) return;
  for (const Adapter& adapter : adapters_)
    for (const Adapter::Part& part : adapter.parts())
      if (part.module == "lm_head")
        throw Error(
            "{}: an adapter of lm_head cannot be merged, since this model's "
            "lm_head is its embedding; use it as MODEL+ADAPTER",
            path().string());
}

SourceTensor unmerged(SourceTensor tensor) {
  tensor.loras.clear();
  tensor.token_rows.clear();
  return tensor;
}

void read_rows(const SourceTensor& tensor, int64_t begin, Tensor out) {
  if (!tensor.token_rows.empty()) {
    SourceTensor rest = tensor;
    rest.token_rows.clear();
    read_rows(rest, begin, out);
    for (const TokenRows& own : tensor.token_rows)
      for (int64_t i = 0; i < own.size(); ++i) {
        const int64_t row = own.tokens[static_cast<size_t>(i)] - begin;
        if (row >= 0 && row < out.rows)
          convert(out.rows_from(row, 1), own.rows.rows_from(i, 1));
      }
    return;
  }
  if (!tensor.loras.empty()) {
    const OwnedTensor sum(Dtype::f32, out.rows, out.cols);
    read_rows(unmerged(tensor), begin, sum);
    for (const Lora& lora : tensor.loras) {
      const OwnedTensor b(Dtype::f32, out.rows, lora.b.cols);
      convert(b, lora.b.rows_from(begin, out.rows));
      float* at = b.view().row<float>(0);
      for (int64_t i = 0; i < b.view().size(); ++i) at[i] *= lora.scale;
      linear_backward_input(sum, b, lora.a, true);  // sum += b·a
    }
    convert(out, sum);
    return;
  }
  const Tensor& in = tensor.stored;
  const int64_t head_dim = tensor.reordered_head_dim;
  if (head_dim == 0)
    convert(out, in.rows_from(begin, out.rows));
  else
    parallel_ranges(out.rows, [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; ++r)
        convert_row(out.rows_from(r, 1),
                    in.rows_from(gguf_row_of_hf(begin + r, head_dim), 1));
    });
  if (tensor.shift == 0) return;
  OwnedTensor numbers(Dtype::f32, out.rows, out.cols);
  convert(numbers, out);
  float* at = numbers.view().row<float>(0);
  for (int64_t i = 0; i < out.size(); ++i) at[i] -= tensor.shift;
  convert(out, numbers);
}

}  // namespace seodang
