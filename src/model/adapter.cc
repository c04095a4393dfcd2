#include "model/adapter.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/rng.h"
#include "formats/json.h"
#include "formats/json_object.h"
#include "kernels/convert.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kTensors = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight";
constexpr const char* kEmbedding = "model.embed_tokens";
constexpr const char* kHead = "lm_head";
constexpr const char* kRows = ".token_adapter.trainable_tokens_delta";

// A module that can have a low-rank update.
struct Module {
  std::string name;
  int64_t rows = 0, cols = 0;
  std::string_view last() const {
    return std::string_view(name).substr(name.rfind('.') + 1);
  }
};

// Every linear layer of the model, in its order, and lm_head.
std::vector<Module> modules_of(const ModelConfig& config) {
  std::vector<Module> modules;
  Weights weights;
  for_each_weight(
      config, weights,
      [&](const std::string& name, Tensor&, const WeightShape& shape) {
        if (!shape.decayed || name == "model.embed_tokens.weight") return;
        modules.push_back({name.substr(0, name.size() - kWeight.size()),
                           shape.rows, shape.cols});
      });
  if (config.tie_word_embeddings)
    modules.push_back({kHead, config.vocab_size, config.hidden_size});
  return modules;
}

// Those that have a row for each token; a tied lm_head has none of its own.
std::vector<const char*> token_matrices(const ModelConfig& config) {
  if (config.tie_word_embeddings) return {kEmbedding};
  return {kEmbedding, kHead};
}

// Copies the rows of a base, which may have some of its own.
void begin_rows(const TokenRows& to, Tensor base,
                const std::vector<TokenRows>& own) {
  for (int64_t i = 0; i < to.size(); ++i) {
    const int32_t token = to.tokens[static_cast<size_t>(i)];
    Tensor from = base.rows_from(token, 1);
    for (const TokenRows& rows : own)
      if (const int64_t row = rows.row_of(token); row >= 0)
        from = rows.rows.rows_from(row, 1);
    convert(to.rows.rows_from(i, 1), from);
  }
}

// Of trainable_token_indices: a list, which is the embedding's, or lists by the
// last names of matrices.
std::vector<int32_t> token_indices(const nlohmann::json& settings,
                                   std::string_view matrix,
                                   const ModelConfig& config,
                                   const std::string& where) {
  constexpr const char* kKey = "trainable_token_indices";
  nlohmann::json list = settings.value(kKey, nlohmann::json());
  const auto last = std::string(matrix.substr(matrix.rfind('.') + 1));
  if (list.is_object()) list = list.value(last, nlohmann::json());
  if (!list.is_array())
    throw Error("{}: {} has no list for {}", where, kKey, matrix);
  std::vector<int32_t> tokens;
  for (const nlohmann::json& token : list) {
    if (!token.is_number_integer() || token < 0 || token >= config.vocab_size)
      throw Error("{}: {} has {}, and the vocabulary {} tokens", where, kKey,
                  token.dump(), config.vocab_size);
    tokens.push_back(token.get<int32_t>());
  }
  std::vector<int32_t> sorted = tokens;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end())
    throw Error("{}: {} names a token twice", where, kKey);
  return tokens;
}

// The rows by token, whatever order they had.
TokenRows in_order(const std::vector<int32_t>& tokens, Tensor rows,
                   std::vector<OwnedTensor>& memory) {
  std::vector<int64_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](int64_t i) { return tokens[i]; });
  TokenRows out{.rows = memory.emplace_back(Dtype::f32, rows.rows, rows.cols)};
  for (const int64_t i : order) {
    convert(out.rows.rows_from(out.size(), 1), rows.rows_from(i, 1));
    out.tokens.push_back(tokens[static_cast<size_t>(i)]);
  }
  return out;
}

double scale_of(double alpha, int64_t rank, bool rslora) {
  const auto r = static_cast<double>(rank);
  return alpha / (rslora ? std::sqrt(r) : r);
}

// "model.layers.3.mlp.up_proj" against a key of alpha_pattern: the module's
// whole name or its end, as PEFT's regular expression (.*\.)?KEY$ reads plain
// names.
bool ends_in(const std::string& module, const std::string& key) {
  return module == key || module.ends_with("." + key);
}

// What changes the numbers and is not computed here.
void refuse_unknown_kinds(const JsonObject& config) {
  config.only_values("peft_type", {"\"LORA\""});
  config.only_values("bias", {"\"none\""});
  config.only_values("use_dora", {"false"});
  config.only_values("fan_in_fan_out", {"false"});
  config.only_values("lora_bias", {"false"});
  config.only_values("layer_replication", {});  // null alone
}

double alpha_of(const nlohmann::json& config, const std::string& module,
                const std::string& where) {
  const auto number = [&](const nlohmann::json& value, const char* key) {
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      throw Error("{}: {} is no number", where, key);
    return value.get<double>();
  };
  if (config.contains("alpha_pattern") && config["alpha_pattern"].is_object())
    for (const auto& [key, value] : config["alpha_pattern"].items())
      if (ends_in(module, key)) return number(value, "alpha_pattern");
  return number(config.value("lora_alpha", nlohmann::json()), "lora_alpha");
}

// The modules that the options ask for.
std::vector<Module> targets_of(const ModelConfig& config,
                               const LoraOptions& options) {
  check_options(options);
  const std::vector<Module> modules = modules_of(config);
  std::set<std::string, std::less<>> known,
      wanted(options.target.begin(), options.target.end());
  for (const Module& module : modules) known.emplace(module.last());
  const bool all = wanted.contains("all-linear");
  for (const std::string& target : wanted)
    if (target != "all-linear" && !known.contains(target))
      throw UsageError(
          "--target {}: no such linear layer; there are {}, and "
          "all-linear",
          target, fmt::join(known, ", "));
  std::vector<Module> targets;
  for (const Module& module : modules) {
    if (!wanted.contains(module.last()) && (!all || module.name == kHead))
      continue;
    if (options.rank > std::min(module.rows, module.cols))
      throw UsageError("--rank {} is more than {} ({} x {}) has", options.rank,
                       module.name, module.rows, module.cols);
    targets.push_back(module);
  }
  return targets;
}

}  // namespace

ModelPath::ModelPath(const fs::path& path) : base(path) {
  while (!fs::exists(base)) {
    const std::string text = base.string();
    const size_t plus = text.rfind('+');
    if (plus == std::string::npos || plus == 0 || plus + 1 == text.size()) {
      base = path;  // whoever opens it says that it is not there
      adapters.clear();
      return;
    }
    adapters.insert(adapters.begin(), text.substr(plus + 1));
    base = text.substr(0, plus);
  }
}

fs::path ModelPath::tokenizer() const {
  for (auto adapter = adapters.rbegin(); adapter != adapters.rend(); ++adapter)
    if (fs::exists(*adapter / "tokenizer.json")) return *adapter;
  return base;
}

std::string ModelPath::fingerprint() const {
  std::string out = seodang::fingerprint(base);
  for (const fs::path& adapter : adapters)
    out += "+" + seodang::fingerprint(adapter);
  return out;
}

std::vector<Tensor*> Adapter::Part::tensors() {
  if (has_rows()) return {&rows.rows};
  return {&lora.a, &lora.b};
}

int64_t Adapter::size_of_new(const ModelConfig& config,
                             const LoraOptions& options, int64_t tokens) {
  int64_t size = tokens * config.hidden_size *
                 static_cast<int64_t>(token_matrices(config).size());
  for (const Module& module : targets_of(config, options))
    size += options.rank * (module.rows + module.cols);
  return size;
}

Adapter Adapter::create(const ModelConfig& config, const LoraOptions& options,
                        uint64_t seed, const fs::path& base,
                        const std::vector<int32_t>& tokens,
                        const Weights& base_weights) {
  Adapter adapter;
  adapter.options_ = options;
  adapter.base_ = base;
  int64_t size = 0;
  for (const Module& module : targets_of(config, options)) {
    const int64_t rank = options.rank;
    Part part{.module = module.name};
    part.lora.a = Tensor(nullptr, Dtype::f32, rank, module.cols);
    part.lora.b = Tensor(nullptr, Dtype::f32, module.rows, rank);
    part.lora.scale =
        static_cast<float>(scale_of(options.alpha, rank, options.rslora));
    part.lora.dropout = static_cast<float>(options.dropout);
    adapter.parts_.push_back(std::move(part));
  }
  for (const char* matrix : token_matrices(config))
    if (!tokens.empty())
      adapter.parts_.push_back(
          {.module = matrix,
           .rows = {tokens, Tensor(nullptr, Dtype::f32,
                                   static_cast<int64_t>(tokens.size()),
                                   config.hidden_size)}});
  for (Part& part : adapter.parts_)
    for (const Tensor* tensor : part.tensors()) size += tensor->size();
  adapter.memory_ = OwnedTensor(Dtype::f32, 1, size);
  adapter.parts_ = adapter.parts_at(adapter.memory_.view().data, Dtype::f32);
  uint64_t stream = 0;
  for (const Part& part : adapter.parts_) {
    if (part.has_rows()) {
      const bool head = part.module == kHead;
      begin_rows(part.rows,
                 head ? base_weights.lm_head : base_weights.embed_tokens,
                 head ? base_weights.lm_head_rows : base_weights.embed_rows);
      continue;
    }
    Rng rng(seed, mix_bits(0x10a, ++stream));
    const double bound = 1 / std::sqrt(static_cast<double>(part.lora.a.cols));
    float* a = part.lora.a.row<float>(0);
    for (int64_t i = 0; i < part.lora.a.size(); ++i)
      a[i] = static_cast<float>(bound * (2 * rng.uniform() - 1));
  }
  return adapter;
}

std::vector<NamedTensor> Adapter::named() const {
  std::vector<NamedTensor> out;
  for (const Part& part : parts_) {
    if (part.has_rows()) {
      out.push_back({part.module + kRows, part.rows.rows, true});
      continue;
    }
    out.push_back({part.module + ".lora_A.weight", part.lora.a, true});
    out.push_back({part.module + ".lora_B.weight", part.lora.b, true});
  }
  return out;
}

std::vector<Adapter::Part> Adapter::parts_at(void* memory, Dtype dtype) const {
  std::vector<Part> out = parts_;
  int64_t at = 0;
  const auto place = [&](Tensor& tensor) {
    tensor = Tensor(static_cast<std::byte*>(memory) + bytes_of(dtype, at),
                    dtype, tensor.rows, tensor.cols);
    at += tensor.size();
  };
  for (Part& part : out)
    for (Tensor* tensor : part.tensors()) place(*tensor);
  return out;
}

Adapter Adapter::load(const fs::path& directory, const ModelConfig& config) {
  if (!fs::is_directory(directory))
    throw Error("{}: no such adapter directory", directory.string());
  if (!fs::exists(directory / kConfig))
    throw Error("{}: no {}; an adapter is a directory with it and {}",
                directory.string(), kConfig, kTensors);
  if (!fs::exists(directory / kTensors))
    throw Error("{}: no {}{}", directory.string(), kTensors,
                fs::exists(directory / "adapter_model.bin")
                    ? "; adapter_model.bin is not read, save it as safetensors"
                    : "");
  const std::string where = (directory / kConfig).string();
  const nlohmann::json settings = read_json(directory / kConfig);
  const JsonObject object(settings, where);
  refuse_unknown_kinds(object);
  Adapter adapter;
  adapter.options_.rslora = object.flag("use_rslora", false);

  adapter.file_ = std::make_shared<SafetensorsFile>(directory / kTensors);
  std::map<std::string, std::string> left;  // short name → name in the file
  for (const auto& [name, entry] : adapter.file_->entries()) {
    if (!name.starts_with(kPrefix))
      throw Error("{}: tensor {} does not begin with {}",
                  (directory / kTensors).string(), name, kPrefix);
    std::string module = name.substr(kPrefix.size());
    if (const size_t adapter_name = module.find(".default.");
        adapter_name != std::string::npos)
      module.erase(adapter_name, sizeof(".default") - 1);
    left.emplace(std::move(module), name);
  }
  const auto take = [&](const std::string& name) {
    const auto found = left.find(name);
    if (found == left.end())
      throw Error("{}: tensor {}{} is missing", (directory / kTensors).string(),
                  kPrefix, name);
    std::string in_file = found->second;
    left.erase(found);
    return in_file;
  };
  const auto numbers = [&](const std::string& name,
                           const std::vector<int64_t>& shape) -> Tensor {
    const Tensor stored = adapter.file_->tensor(name, shape);
    OwnedTensor& out =
        adapter.converted_.emplace_back(Dtype::f32, stored.rows, stored.cols);
    convert(out, stored);
    return out;
  };
  for (const Module& module : modules_of(config)) {
    const std::string a = module.name + ".lora_A.weight";
    if (!left.contains(a)) continue;
    const std::string a_in_file = take(a);
    const auto& shape = adapter.file_->entries().at(a_in_file).shape;
    const int64_t rank = shape.empty() ? 0 : shape[0];
    if (rank < 1)
      throw Error("{}: tensor {} has the shape {}",
                  (directory / kTensors).string(), a_in_file,
                  show_shape(shape));
    Part part{.module = module.name};
    part.lora.a = numbers(a_in_file, {rank, module.cols});
    part.lora.b =
        numbers(take(module.name + ".lora_B.weight"), {module.rows, rank});
    part.lora.scale = static_cast<float>(scale_of(
        alpha_of(settings, module.name, where), rank, adapter.options_.rslora));
    adapter.parts_.push_back(std::move(part));
  }
  for (const char* matrix : token_matrices(config)) {
    // PEFT writes the whole matrix beside its rows when tokens were added.
    left.erase(std::string(matrix) + ".token_adapter.base_layer.weight");
    const std::string name = std::string(matrix) + kRows;
    if (!left.contains(name)) continue;
    const std::vector<int32_t> tokens =
        token_indices(settings, matrix, config, where);
    const Tensor rows = numbers(
        take(name), {static_cast<int64_t>(tokens.size()), config.hidden_size});
    adapter.parts_.push_back(
        {.module = matrix, .rows = in_order(tokens, rows, adapter.converted_)});
  }
  Weights weights;
  for_each_weight(
      config, weights,
      [&](const std::string& name, Tensor&, const WeightShape& shape) {
        if (!left.contains(name)) return;
        adapter.replaced_[name] =
            adapter.file_->tensor(take(name), shape.in_file());
      });
  for (const auto& [name, in_file] : left)
    if (name.find("lora_embedding") != name.npos)
      throw Error("{}: tensor {} updates the embedding, which is not supported",
                  (directory / kTensors).string(), in_file);
  if (!left.empty())
    throw Error("{}: tensor {} is of no module of this base ({}, {} layers)",
                (directory / kTensors).string(), left.begin()->second,
                config.architecture, config.num_hidden_layers);
  if (adapter.parts_.empty() && adapter.replaced_.empty())
    throw Error("{}: no tensor in it", (directory / kTensors).string());
  return adapter;
}

void Adapter::save(const fs::path& directory) const {
  std::vector<SafetensorsItem> items;
  for (const NamedTensor& part : named())
    items.push_back({std::string(kPrefix) + part.name,
                     {part.tensor.rows, part.tensor.cols},
                     part.tensor});
  std::vector<std::string> modules;
  nlohmann::ordered_json tokens;
  for (const Part& part : parts_) {
    if (part.has_rows()) {
      tokens[part.module.substr(part.module.rfind('.') + 1)] = part.rows.tokens;
      continue;
    }
    const std::string last = part.module.substr(part.module.rfind('.') + 1);
    if (std::ranges::find(modules, last) == modules.end())
      modules.push_back(last);
  }
  const nlohmann::ordered_json config = {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"base_model_name_or_path", base_.string()},
      {"r", options_.rank},
      {"lora_alpha", options_.alpha},
      {"lora_dropout", options_.dropout},
      {"use_rslora", options_.rslora},
      {"use_dora", false},
      {"target_modules", modules},
      {"trainable_token_indices", tokens},
      {"modules_to_save", nullptr},
      {"rank_pattern", nlohmann::ordered_json::object()},
      {"alpha_pattern", nlohmann::ordered_json::object()},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"init_lora_weights", true},
      {"inference_mode", true}};
  write_file(directory / kConfig, config.dump(2) + "\n");
  write_safetensors(directory / kTensors, items, {{"format", "pt"}});
}

void attach(const Adapter::Part& part, const ModelConfig& config,
            Weights& weights) {
  if (part.has_rows()) {
    if (part.module == kEmbedding) weights.embed_rows.push_back(part.rows);
    if (part.module == kHead || config.tie_word_embeddings)
      weights.lm_head_rows.push_back(part.rows);
    return;
  }
  Lora lora = part.lora;
  if (part.module == kHead) {
    lora.id = UINT32_MAX;
    weights.lm_head_loras.push_back(lora);
    return;
  }
  static const std::map<std::string, Linear, std::less<>> kByName = {
      {"q_proj", Linear::q_proj},       {"k_proj", Linear::k_proj},
      {"v_proj", Linear::v_proj},       {"o_proj", Linear::o_proj},
      {"gate_proj", Linear::gate_proj}, {"up_proj", Linear::up_proj},
      {"down_proj", Linear::down_proj}};
  constexpr std::string_view kLayers = "model.layers.";
  const auto layer =
      static_cast<size_t>(std::stoll(part.module.substr(kLayers.size())));
  const auto linear =
      kByName.find(part.module.substr(part.module.rfind('.') + 1));
  lora.id = static_cast<uint32_t>(layer * kLinears) +
            static_cast<uint32_t>(linear->second);
  weights.layers[layer].lora(linear->second).push_back(lora);
}

}  // namespace seodang
