// A decoder's weights as they lie in a mapped GGUF file.
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "model/gguf_mapping.h"
#include "model/model.h"
#include "model/model_source.h"

namespace seodang {
namespace {

class Loader {
 public:
  Loader(const ModelSource& source, Dtype dtype,
         std::vector<OwnedTensor>& copies)
      : source_(source), dtype_(dtype), copies_(copies) {
    for (const SourceTensor& tensor : source.tensors())
      left_.emplace(tensor.name, &tensor);
  }

  // A view of the file where it has what is wanted, else a copy.
  Tensor take(const std::string& name, const WeightShape& shape) {
    const auto found = left_.find(name);
    if (found == left_.end())
      throw Error("{}: tensor {} is missing", source_.path().string(),
                  gguf_tensor_name(gguf_family_of(*source_.gguf()), name));
    const SourceTensor& tensor = *found->second;
    left_.erase(found);
    std::vector<int64_t> expected = {shape.cols};
    if (shape.decayed) expected.insert(expected.begin(), shape.rows);
    if (tensor.shape != expected)
      throw Error("{}: tensor {} has shape {}, the metadata ask for {}",
                  source_.path().string(), name, show_shape(tensor.shape),
                  show_shape(expected));
    const Tensor& stored = tensor.stored;
    const Dtype wanted = dtype_in_use(stored.dtype, shape, dtype_);
    if (stored.dtype == wanted && tensor.reordered_head_dim == 0 &&
        tensor.shift == 0)
      return stored;
    copies_.emplace_back(wanted, stored.rows, stored.cols);
    const Tensor copy = copies_.back();
    read_rows(tensor, 0, copy);
    forget_pages({static_cast<const std::byte*>(stored.data),
                  bytes_of(stored.dtype, stored.size())});
    return {copy.data, copy.dtype, shape.rows, shape.cols};
  }

  // Throws Error when something is left that changes what the model computes.
  void check_rest() const {
    if (!left_.empty())
      throw Error("{}: tensor {} is not one of a model like this",
                  source_.path().string(), left_.begin()->first);
  }

 private:
  const ModelSource& source_;
  Dtype dtype_;
  std::vector<OwnedTensor>& copies_;
  std::map<std::string, const SourceTensor*> left_;  // not taken yet
};

}  // namespace

Model Model::load_gguf(const std::filesystem::path& file, Dtype dtype) {
  Model model;
  const auto source = std::make_shared<ModelSource>(file);
  model.source_ = source;
  model.config_ = ModelConfig::from_json(source->config(), file.string());
  Loader loader(*source, dtype, model.converted_);
  for_each_weight(
      model.config_, model.weights_,
      [&](const std::string& name, Tensor& tensor, const WeightShape& shape) {
        tensor = loader.take(name, shape);
      });
  loader.check_rest();
  return model;
}

}  // namespace seodang
