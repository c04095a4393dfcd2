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
      tensors_.emplace(tensor.name, &tensor);
  }

  // A view of the file where it has what is wanted, else a copy.
  Tensor take(const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      throw Error("{}: tensor {} is missing", source_.path().string(),
                  gguf_tensor_name(gguf_family_of(*source_.gguf()), name));
    const SourceTensor& tensor = *found->second;
    if (tensor.shape != shape)
      throw Error("{}: tensor {} has shape [{}], the metadata ask for [{}]",
                  source_.path().string(), name, fmt::join(tensor.shape, ", "),
                  fmt::join(shape, ", "));
    const Tensor& stored = tensor.stored;
    const bool usable = is_quantized(stored.dtype) || stored.dtype == dtype_;
    if (usable && tensor.reordered_head_dim == 0 && tensor.shift == 0)
      return stored;
    copies_.emplace_back(is_quantized(stored.dtype) ? stored.dtype : dtype_,
                         stored.rows, stored.cols);
    read_rows(tensor, 0, copies_.back());
    forget_pages({static_cast<const std::byte*>(stored.data),
                  bytes_of(stored.dtype, stored.size())});
    return copies_.back();
  }

 private:
  const ModelSource& source_;
  Dtype dtype_;
  std::vector<OwnedTensor>& copies_;
  std::map<std::string, const SourceTensor*> tensors_;
};

}  // namespace

Model Model::load_gguf(const std::filesystem::path& file, Dtype dtype) {
  Model model;
  const auto source = std::make_shared<ModelSource>(file);
  model.source_ = source;
  model.config_ = ModelConfig::parse(source->config().dump(), file.string());
  const ModelConfig& c = model.config_;
  const int64_t hidden = c.hidden_size, inner = c.intermediate_size;
  const int64_t q = int64_t{c.num_attention_heads} * c.head_dim;
  const int64_t kv = int64_t{c.num_key_value_heads} * c.head_dim;
  Loader loader(*source, dtype, model.copies_);
  Weights& w = model.weights_;
  w.embed_tokens =
      loader.take("model.embed_tokens.weight", {c.vocab_size, hidden});
  w.norm = loader.take("model.norm.weight", {hidden});
  w.lm_head = c.tie_word_embeddings
                  ? w.embed_tokens
                  : loader.take("lm_head.weight", {c.vocab_size, hidden});
  for (int32_t l = 0; l < c.num_hidden_layers; ++l) {
    const auto take = [&](const char* name, std::vector<int64_t> shape) {
      return loader.take(fmt::format("model.layers.{}.{}.weight", l, name),
                         shape);
    };
    LayerWeights& layer = w.layers.emplace_back();
    layer.input_layernorm = take("input_layernorm", {hidden});
    layer.qkv_parts = {take("self_attn.q_proj", {q, hidden}),
                       take("self_attn.k_proj", {kv, hidden}),
                       take("self_attn.v_proj", {kv, hidden})};
    layer.o_proj = take("self_attn.o_proj", {hidden, q});
    layer.post_attention_layernorm = take("post_attention_layernorm", {hidden});
    layer.gate_up_parts = {take("mlp.gate_proj", {inner, hidden}),
                           take("mlp.up_proj", {inner, hidden})};
    layer.down_proj = take("mlp.down_proj", {hidden, inner});
  }
  return model;
}

}  // namespace seodang
