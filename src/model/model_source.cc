#include "model/model_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/convert.h"
#include "model/config.h"
#include "model/gguf_mapping.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

// A place in the model: before, in which of, or behind the layers.
std::pair<int64_t, std::string> place_of(const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with("model.embed_tokens.")) return {-1, name};
  if (!name.starts_with(kLayers)) return {INT64_MAX, name};
  int64_t layer = 0;
  size_t at = kLayers.size();
  for (; at < name.size() && name[at] >= '0' && name[at] <= '9'; ++at)
    layer = std::min<int64_t>(layer * 10 + (name[at] - '0'), 1 << 20);
  return {layer, name.substr(at)};
}

}  // namespace

bool is_gguf(const fs::path& path) { return path.extension() == ".gguf"; }

ModelSource::ModelSource(const fs::path& path)
    : path_(path), config_(std::make_unique<nlohmann::json>()) {
  if (is_gguf(path))
    open_gguf();
  else
    open_directory();
  std::stable_sort(tensors_.begin(), tensors_.end(),
                   [](const auto& a, const auto& b) {
                     return place_of(a.name) < place_of(b.name);
                   });
}
ModelSource::~ModelSource() = default;

void ModelSource::open_directory() {
  if (!fs::is_directory(path_))
    throw Error("{}: no such model directory", path_.string());
  *config_ = nlohmann::json::parse(ModelConfig::load(path_).to_json());
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(path_))
    if (entry.path().extension() == ".safetensors" &&
        entry.path().filename().string().starts_with("model"))
      paths.push_back(entry.path());
  if (paths.empty()) throw Error("{}: no model.safetensors", path_.string());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) files_.emplace_back(path);
  for (const SafetensorsFile& file : files_)
    for (const auto& [name, entry] : file.entries())
      tensors_.push_back({name, entry.shape, file.tensor(name, entry.shape)});
}

void ModelSource::open_gguf() {
  gguf_ = std::make_unique<GgufFile>(path_);
  *config_ = config_of(*gguf_);
  const GgufFamily& family = gguf_family_of(*gguf_);
  for (const auto& [name, entry] : gguf_->tensors()) {
    if (name == kRopeFactors) continue;  // in config()
    SourceTensor tensor;
    tensor.name = hf_tensor_name(family, name);
    if (tensor.name.empty())
      throw Error("{}: tensor {} is not one of {}", path_.string(), name,
                  family.architecture);
    tensor.shape = entry.shape;
    tensor.stored = gguf_->tensor(name, entry.shape);
    tensor.shift = gguf_shift(family, tensor.name);
    // A vector that is reordered (a bias) is a column.
    if (const int64_t heads = reordered_heads(family, tensor.name, *config_);
        heads > 0) {
      if (entry.shape.size() == 1 && !is_quantized(entry.dtype))
        tensor.stored =
            Tensor(tensor.stored.data, entry.dtype, entry.shape[0], 1);
      const int64_t rows = tensor.stored.rows;
      if (rows % (2 * heads) != 0)
        throw Error("{}: tensor {} has {} rows, which are not {} heads",
                    path_.string(), name, rows, heads);
      tensor.reordered_head_dim = rows / heads;
    }
    tensors_.push_back(std::move(tensor));
  }
}

void read_rows(const SourceTensor& tensor, int64_t begin, Tensor out) {
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
