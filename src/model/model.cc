#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"
#include "model/model_source.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// The weight of `tensor` in Hugging Face's order and numbers.
void read_whole(const SourceTensor& tensor, Tensor out) {
  const Tensor& stored = tensor.stored;
  read_rows(tensor, 0, {out.data, out.dtype, stored.rows, stored.cols});
  forget_pages({static_cast<const std::byte*>(stored.data),
                bytes_of(stored.dtype, stored.size())});
}

bool is_aligned(const Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.data) % size_of(tensor.dtype) == 0;
}

}  // namespace

Model Model::load(const fs::path& path, Dtype dtype) {
  const ModelSource source(path);
  source.check_mergeable();
  return load(source, dtype, true);
}

Model Model::load(const ModelSource& source, Dtype dtype, bool merge) {
  Model model;
  model.config_ = source.config();
  model.memory_ = OwnedTensor(dtype, 1, weights_size(model.config_));
  model.weights_ = weights_at(model.config_, model.memory_.view().data, dtype);
  const auto to = named_weights(model.config_, model.weights_);
  for (size_t i = 0; i < to.size(); ++i)
    read_whole(merge ? source.tensors()[i] : unmerged(source.tensors()[i]),
               to[i].tensor);
  return model;
}

Model Model::map(const fs::path& path, Dtype dtype) {
  return map(std::make_shared<ModelSource>(path), dtype);
}

Model Model::load_frozen(const fs::path& path, Dtype dtype) {
  return copy(ModelSource(path), dtype);
}

Model Model::load_for_use(const fs::path& path, Dtype dtype) {
  const auto source = std::make_shared<ModelSource>(path);
  int64_t bytes = 0;
  for (const SourceTensor& tensor : source->tensors())
    bytes += static_cast<int64_t>(
        bytes_of(tensor.stored.dtype, tensor.stored.size()));
  return bytes < available_memory() / 2 ? copy(*source, dtype)
                                        : map(source, dtype);
}

Model Model::map(const std::shared_ptr<const ModelSource>& source,
                 Dtype dtype) {
  // Where the matrices cannot stay (few files mix theirs), one block is better.
  const Dtype stored = source->tensors()[0].stored.dtype;
  if (dtype_in_use(stored, {.decayed = true}, dtype) != stored) {
    Model model = load(*source, dtype, false);
    model.attach_adapters(*source, dtype);
    return model;
  }
  Model model;
  model.config_ = source->config();
  size_t next = 0;
  for_each_weight(
      model.config_, model.weights_,
      [&](const std::string&, Tensor& out, const WeightShape& shape) {
        const SourceTensor& tensor = source->tensors()[next++];
        const Dtype wanted = dtype_in_use(tensor.stored.dtype, shape, dtype);
        if (tensor.stored.dtype == wanted && tensor.reordered_head_dim == 0 &&
            tensor.shift == 0 &&
            (is_quantized(wanted) || is_aligned(tensor.stored))) {
          out = tensor.stored;
          return;
        }
        out = model.converted_.emplace_back(wanted, shape.rows, shape.cols);
        read_whole(unmerged(tensor), out);
      });
  model.attach_adapters(*source, dtype);
  model.source_ = source;
  return model;
}

Model Model::copy(const ModelSource& source, Dtype dtype) {
  Model model;
  model.config_ = source.config();
  // Calls use(tensor, stored, offset) for each weight, the tensor without
  // memory; returns how many bytes they take.
  const auto lay_out = [&](auto&& use) {
    size_t next = 0, end = 0;
    Dtype before = Dtype::f32;
    for_each_weight(
        model.config_, model.weights_,
        [&](const std::string&, Tensor& out, const WeightShape& shape) {
          const SourceTensor& from = source.tensors()[next++];
          out = {nullptr, dtype_in_use(from.stored.dtype, shape, dtype),
                 shape.rows, shape.cols};
          if (!shape.joined || out.dtype != before) end = (end + 63) / 64 * 64;
          before = out.dtype;
          use(out, from, end);
          end += bytes_of(out.dtype, out.size());
        });
    return end;
  };
  model.copies_ = Buffer(lay_out([](Tensor&, const SourceTensor&, size_t) {}),
                         Buffer::Fill::none);
  lay_out([&](Tensor& out, const SourceTensor& from, size_t offset) {
    out.data = model.copies_.as<std::byte>() + offset;
    read_whole(unmerged(from), out);
  });
  model.attach_adapters(source, dtype);
  return model;
}

void Model::attach_adapters(const ModelSource& source, Dtype dtype) {
  for (const Adapter& adapter : source.adapters())
    for (Adapter::Part part : adapter.parts()) {
      for (Tensor* tensor : part.tensors()) {
        const Tensor numbers = *tensor;
        *tensor = converted_.emplace_back(dtype, numbers.rows, numbers.cols);
        convert(*tensor, numbers);
      }
      attach(part, config_, weights_);
    }
}

Model Model::view(const ModelConfig& config, const Weights& weights) {
  Model model;
  model.config_ = config;
  model.weights_ = weights;
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
    items.push_back(
        {weight.name,
         WeightShape{weight.tensor.rows, weight.tensor.cols, weight.decayed}
             .in_file(),
         weight.tensor});
  write_safetensors(directory / "model.safetensors", items);
}

}  // namespace seodang
