#include "model/convert_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "kernels/convert.h"
#include "kernels/quantize.h"
#include "model/gguf_mapping.h"
#include "model/model_source.h"
#include "tokenizer/gguf_tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Numbers in memory at a time.
constexpr int64_t kChunk = 1 << 22;

struct NamedConversion {
  const char* name;
  ConvertType type;
  uint32_t file_type;  // general.file_type
};
constexpr std::array<NamedConversion, 7> kTypes = {{
    {"q8_0", ConvertType::q8_0, 7},
    {"q5_0", ConvertType::q5_0, 8},
    {"q4_0", ConvertType::q4_0, 2},
    {"q4_k_m", ConvertType::q4_k_m, 15},
    {"f16", ConvertType::f16, 1},
    {"bf16", ConvertType::bf16, 32},
    {"f32", ConvertType::f32, 0},
}};

int64_t layer_of(const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return -1;
  return std::stoll(name.substr(kLayers.size(), 9));
}

// The layers of Q4_K_M whose v and down are Q6_K: the first and last eighth,
// and every third between (llama-quant.cpp).
bool gets_more_bits(int64_t layer, int64_t layers) {
  const int64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

class Plan {
 public:
  Plan(const ModelSource& source, ConvertType type)
      : type_(type),
        layers_(source.config().num_hidden_layers),
        tied_(source.config().tie_word_embeddings) {}

  Dtype gguf_dtype(const SourceTensor& tensor) const {
    if (!tensor.shape.decayed) return Dtype::f32;
    const Dtype wanted = wanted_for(tensor);
    const int64_t cols = tensor.shape.cols;
    for (const Dtype dtype : {wanted, Dtype::q8_0})
      if (cols % block_size(dtype) == 0 &&
          (dtype == wanted || is_quantized(wanted)))
        return dtype;
    return Dtype::f16;
  }

  Dtype hf_dtype(const SourceTensor& tensor) const {
    switch (type_) {
      case ConvertType::f32:
        return Dtype::f32;
      case ConvertType::f16:
        return Dtype::f16;
      case ConvertType::as_stored:
        if (!is_quantized(tensor.stored.dtype)) return tensor.stored.dtype;
        [[fallthrough]];
      case ConvertType::bf16:
        return Dtype::bf16;
      default:
        throw UsageError(
            "a Hugging Face directory holds f32, f16 or bf16; blocks go into a "
            ".gguf file");
    }
  }

 private:
  Dtype wanted_for(const SourceTensor& tensor) const {
    const bool is_output =
        tensor.name == "lm_head.weight" ||
        (tied_ && tensor.name == "model.embed_tokens.weight");
    switch (type_) {
      case ConvertType::as_stored:
        return tensor.stored.dtype;
      case ConvertType::f32:
        return Dtype::f32;
      case ConvertType::f16:
        return Dtype::f16;
      case ConvertType::bf16:
        return Dtype::bf16;
      case ConvertType::q8_0:
        return Dtype::q8_0;
      case ConvertType::q5_0:
        return is_output ? Dtype::q6_k : Dtype::q5_0;
      case ConvertType::q4_0:
        return is_output ? Dtype::q6_k : Dtype::q4_0;
      case ConvertType::q4_k_m:
        break;
    }
    const bool sensitive = tensor.name.ends_with("self_attn.v_proj.weight") ||
                           tensor.name.ends_with("mlp.down_proj.weight");
    const bool more =
        sensitive && gets_more_bits(layer_of(tensor.name), layers_);
    return is_output || more ? Dtype::q6_k : Dtype::q4_k;
  }

  ConvertType type_;
  int64_t layers_;
  bool tied_ = false;
};

// Rows of one tensor in the out file's order and dtype, and the error made.
class RowConverter {
 public:
  RowConverter(const SourceTensor& tensor, int64_t reordered_head_dim,
               float shift)
      : tensor_(tensor),
        reordered_head_dim_(reordered_head_dim),
        shift_(shift) {}

  int64_t chunk_rows() const {
    const int64_t unit = std::max<int64_t>(reordered_head_dim_, 1);
    const int64_t rows =
        std::max<int64_t>(kChunk / tensor_.stored.cols / unit, 1) * unit;
    return std::min(rows, tensor_.stored.rows);
  }

  void convert_into(Tensor out, int64_t begin) {
    if (out.dtype == tensor_.stored.dtype && is_quantized(out.dtype) &&
        reordered_head_dim_ == tensor_.reordered_head_dim &&
        shift_ == tensor_.shift && tensor_.loras.empty() &&
        tensor_.token_rows.empty()) {  // blocks stay as they are
      convert(out, tensor_.stored.rows_from(begin, out.rows));
      return;
    }
    OwnedTensor exact(Dtype::f32, out.rows, out.cols);
    const Tensor x = exact;
    read_rows(tensor_, begin, x);
    if (reordered_head_dim_ > 0) reorder(x);
    if (shift_ != 0)
      for (int64_t i = 0; i < x.size(); ++i) x.row<float>(0)[i] += shift_;
    if (is_quantized(out.dtype))
      quantize(out, x);
    else
      convert(out, x);
    add_error(x, out);
  }

  double relative_rms() const {
    return squares_ > 0 ? std::sqrt(error_ / squares_) : 0;
  }

 private:
  // Chunks are whole heads, so rows move inside one.
  void reorder(Tensor x) const {
    const OwnedTensor old(Dtype::f32, x.rows, x.cols);
    convert(old, x);
    for (int64_t r = 0; r < x.rows; ++r)
      convert_row(
          x.rows_from(r, 1),
          old.view().rows_from(hf_row_of_gguf(r, reordered_head_dim_), 1));
  }

  void add_error(Tensor x, Tensor out) {
    OwnedTensor stored(Dtype::f32, out.rows, out.cols);
    convert(stored, out);
    const float *a = x.row<float>(0), *b = stored.view().row<float>(0);
    for (int64_t i = 0; i < x.size(); ++i) {
      squares_ += double{a[i]} * a[i];
      error_ += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    }
  }

  const SourceTensor& tensor_;
  int64_t reordered_head_dim_;
  float shift_;
  double squares_ = 0, error_ = 0;
};

std::span<const std::byte> memory_of(Tensor tensor) {
  return {static_cast<const std::byte*>(tensor.data),
          bytes_of(tensor.dtype, tensor.size())};
}

using Tell = std::function<void(const std::string&, double)>;

class Conversion {
 public:
  Conversion(const fs::path& model, const fs::path& out, ConvertType type,
             const Tell& tell)
      : source_(model),
        out_(out),
        type_(type),
        plan_(source_, type),
        tell_(tell) {
    source_.check_mergeable();
    for (const SourceTensor& tensor : source_.tensors())
      total_ += static_cast<double>(tensor.stored.size());
  }

  ConversionReport run() {
    if (is_gguf(out_))
      write_gguf();
    else
      write_directory();
    return std::move(report_);
  }

 private:
  // `rows` hears each chunk of the tensor in the out file's form.
  template <class Rows>
  void convert_tensor(const SourceTensor& tensor, Dtype to, int64_t head_dim,
                      float shift, Rows&& rows) {
    if (tell_) tell_(tensor.name, done_ / total_);
    SourceTensor source = tensor;
    if (head_dim > 0 && !tensor.shape.decayed)  // a bias moves as rows do
      source.stored =
          Tensor(source.stored.data, source.stored.dtype, tensor.shape.cols, 1);
    RowConverter converter(source, head_dim, shift);
    const Tensor& in = source.stored;
    const OwnedTensor chunk(to, converter.chunk_rows(), in.cols);
    for (int64_t r = 0; r < in.rows; r += chunk.view().rows) {
      const Tensor part =
          chunk.view().rows_from(0, std::min(chunk.view().rows, in.rows - r));
      converter.convert_into(part, r);
      rows(part, r);
    }
    done_ += static_cast<double>(in.size());
    report_.tensors.push_back(
        {tensor.name, in.dtype, to, in.size(), converter.relative_rms()});
  }

  GgufMetadata metadata() {
    const json& config = source_.config_json();
    const std::string where = source_.path().string();
    GgufMetadata out = metadata_of(
        config, where,
        fs::absolute(source_.path()).lexically_normal().stem().string());
    for (const NamedConversion& type : kTypes)
      if (type.type == type_)
        out.emplace_back("general.file_type", GgufValue::u32(type.file_type));
    out.emplace_back("general.quantization_version", GgufValue::u32(2));
    if (source_.gguf() != nullptr) {
      for (const auto& [key, value] : source_.gguf()->metadata())
        if ((key.starts_with("tokenizer.") || key.starts_with("seodang.")) &&
            value.type != GgufType::array)  // which nobody reads
          out.emplace_back(key, value);
      return out;
    }
    GgufVocabulary vocabulary = gguf_vocabulary(
        source_.model_path().tokenizer(), source_.config().vocab_size);
    std::move(vocabulary.metadata.begin(), vocabulary.metadata.end(),
              std::back_inserter(out));
    report_.note = std::move(vocabulary.note);
    if (family_of(source_.config().architecture).gguf_name == "llama" &&
        source_.config().sliding_window > 0)
      report_.note += fmt::format(
          "{}a window of {} tokens is written, which llama.cpp "
          "does not apply to this architecture",
          report_.note.empty() ? "" : "; ", source_.config().sliding_window);
    // GGUF has one end token for each purpose, config.json any number.
    const auto& eos = source_.config().eos_token_id;
    if (!eos.empty())
      out.emplace_back("seodang.eos_token_ids",
                       GgufValue::i32_array({eos.begin(), eos.end()}));
    return out;
  }

  void write_gguf() {
    const ModelConfig& config = source_.config();
    const Family& family = family_of(config.architecture);
    const std::vector<float> factors = rope_factors(config);
    std::vector<GgufItem> items;
    if (!factors.empty())
      items.push_back(
          {kRopeFactors, Dtype::f32, {static_cast<int64_t>(factors.size())}});
    for (const SourceTensor& tensor : source_.tensors())
      items.push_back({gguf_tensor_name(family, tensor.name),
                       plan_.gguf_dtype(tensor), tensor.shape.in_file()});
    GgufWriter writer(out_, metadata(), items);
    if (!factors.empty()) writer.write(std::as_bytes(std::span(factors)));
    for (const SourceTensor& tensor : source_.tensors()) {
      const int64_t heads = reordered_heads(family, tensor.name, config);
      convert_tensor(
          tensor, plan_.gguf_dtype(tensor),
          heads > 0 ? tensor.shape.in_file()[0] / heads : 0,
          gguf_shift(family, tensor.name),
          [&](Tensor part, int64_t) { writer.write(memory_of(part)); });
    }
    writer.commit();
  }

  void write_directory() {
    AtomicDirectory directory(out_);
    json config = source_.config_json();
    if (config.contains("head_dim") && config["head_dim"].is_null())
      config.erase("head_dim");
    std::map<Dtype, int64_t> numbers;
    for (const SourceTensor& tensor : source_.tensors())
      numbers[plan_.hf_dtype(tensor)] += tensor.stored.size();
    const auto most = std::max_element(
        numbers.begin(), numbers.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    config["torch_dtype"] = name_of(most->first);
    write_file(directory.path() / "config.json", config.dump(2) + "\n");
    json generation = json::object();
    for (const char* key : {"bos_token_id", "eos_token_id"})
      if (config.contains(key)) generation[key] = config[key];
    write_file(directory.path() / "generation_config.json",
               generation.dump(2) + "\n");
    Tokenizer::load(source_.model_path().tokenizer()).save(directory.path());

    std::vector<OwnedTensor> kept;
    std::vector<SafetensorsItem> items;
    for (const SourceTensor& tensor : source_.tensors()) {
      const Tensor& in = tensor.stored;
      const OwnedTensor& whole =
          kept.emplace_back(plan_.hf_dtype(tensor), in.rows, in.cols);
      convert_tensor(tensor, whole.view().dtype, 0, 0,
                     [&](Tensor part, int64_t row) {
                       convert(whole.view().rows_from(row, part.rows), part);
                     });
      items.push_back({tensor.name, tensor.shape.in_file(), whole.view()});
    }
    write_safetensors(directory.path() / "model.safetensors", items);
    directory.commit();
  }

  ModelSource source_;
  fs::path out_;
  ConvertType type_;
  Plan plan_;
  const Tell& tell_;
  double done_ = 0, total_ = 0;
  ConversionReport report_;
};

}  // namespace

ConvertType convert_type(const std::string& name) {
  std::string names;
  for (const NamedConversion& type : kTypes) {
    if (name == type.name) return type.type;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", type.name);
  }
  throw UsageError("type \"{}\" is unknown; there are {}", name, names);
}

Dtype gguf_dtype(const ModelSource& source, const SourceTensor& tensor,
                 ConvertType type) {
  return Plan(source, type).gguf_dtype(tensor);
}

ConversionReport convert_model(const fs::path& model, const fs::path& out,
                               ConvertType type, const Tell& tell) {
  const ModelPath from(model);
  if (fs::exists(out) && fs::exists(from.base) &&
      fs::equivalent(from.base, out))
    throw UsageError("{}: a model is not converted onto itself", out.string());
  return Conversion(model, out, type, tell).run();
}

}  // namespace seodang
