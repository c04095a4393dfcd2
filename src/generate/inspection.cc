#include "generate/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/memory.h"
#include "generate/end_tokens.h"
#include "generate/language_model.h"
#include "generate/session.h"
#include "kernels/matmul.h"
#include "model/convert_model.h"
#include "model/decoder.h"
#include "model/model_source.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::string describe(const fs::path& directory, const Adapter& adapter) {
  int64_t numbers = 0, least = INT64_MAX, most = 0, layers = 0, rows = 0;
  for (const Adapter::Part& part : adapter.parts()) {
    if (part.has_rows()) {
      rows += part.rows.size();
      continue;
    }
    ++layers;
    numbers += part.lora.a.size() + part.lora.b.size();
    least = std::min(least, part.lora.a.rows);
    most = std::max(most, part.lora.a.rows);
  }
  std::string out = directory.string() + ":";
  if (layers > 0)
    out += fmt::format(" LoRA of {} linear layers, rank {}, {:.2f} million",
                       layers,
                       least == most ? fmt::format("{}", most)
                                     : fmt::format("{} to {}", least, most),
                       static_cast<double>(numbers) / 1e6);
  if (rows > 0) out += fmt::format(" {} rows of tokens", rows);
  if (!adapter.replaced().empty())
    out += fmt::format(" {} whole weights", adapter.replaced().size());
  return out;
}

// Of all weights, stored as dtype_of(tensor) says.
template <class DtypeOf>
int64_t bytes_in_use(const ModelSource& source, Dtype act, DtypeOf&& dtype_of) {
  int64_t sum = 0;
  for (const SourceTensor& tensor : source.tensors())
    sum += static_cast<int64_t>(
        bytes_of(dtype_in_use(dtype_of(tensor), tensor.shape, act),
                 tensor.stored.size()));
  return sum;
}

// What the files say, without reading the numbers in them.
Inspection read_files(const ModelSource& source) {
  const fs::path& path = source.path();
  Inspection out;
  out.config = source.config();
  out.vision_tensors = source.vision_tensors();
  std::map<Dtype, int64_t> numbers;
  Tensor embed_tokens;
  for (const SourceTensor& tensor : source.tensors()) {
    numbers[tensor.stored.dtype] += tensor.stored.size();
    out.parameters += tensor.stored.size();
    if (tensor.name == "model.embed_tokens.weight")
      embed_tokens = tensor.stored;
  }
  out.dtype = std::max_element(numbers.begin(), numbers.end(),
                               [](const auto& x, const auto& y) {
                                 return x.second < y.second;
                               })
                  ->first;
  for (size_t i = 0; i < source.adapters().size(); ++i)
    out.adapters.push_back(
        describe(source.model_path().adapters[i], source.adapters()[i]));
  out.memory = memory_needs(source);
  const Tokenizer tokenizer = Tokenizer::load(source.model_path().tokenizer());
  out.tokenizer_vocab = tokenizer.vocab_size();
  out.verdict =
      judge_kind(path, tokenizer, declared_eos(path, out.config), embed_tokens);
  return out;
}

// The base of an instruct model or the other way, if it lies beside it.
std::string find_sibling(const fs::path& path, const Inspection& model) {
  const fs::path here = fs::weakly_canonical(path);
  std::vector<fs::path> beside;
  for (const auto& entry : fs::directory_iterator(here.parent_path()))
    if (entry.path() != here &&
        (is_gguf(entry.path()) || fs::exists(entry.path() / "config.json")))
      beside.push_back(entry.path());
  std::sort(beside.begin(), beside.end());
  constexpr size_t kMost = 32;
  beside.resize(std::min(beside.size(), kMost));
  for (const fs::path& other : beside) {
    try {
      const ModelSource source(other);
      const ModelConfig& config = source.config();
      const bool same_shape =
          config.architecture == model.config.architecture &&
          config.vocab_size == model.config.vocab_size &&
          config.hidden_size == model.config.hidden_size &&
          config.num_hidden_layers == model.config.num_hidden_layers;
      // A tokenizer takes longest to read: only where the shape is right.
      if (same_shape &&
          read_files(source).verdict.kind() != model.verdict.kind())
        return (path.parent_path() / other.filename())
            .lexically_normal()
            .string();
    } catch (const Error&) {  // what cannot be read is no sibling
    }
  }
  return "";
}

}  // namespace

std::vector<MemoryNeed> memory_needs(const ModelSource& source) {
  constexpr int64_t kProgram = 50 << 20;  // measured: docs/using.md
  const Dtype act = fastest_product_dtype();
  const ModelConfig& config = source.config();
  const int64_t context = usual_context(config);
  const int64_t working =
      kProgram + Decoder::bytes_needed(config, act,
                                       std::min(context, Session::kMaxStep),
                                       Keep::nothing, 0);
  std::vector<MemoryNeed> out;
  const auto add = [&](const char* type, int64_t weights) {
    out.push_back(
        {type, weights, KvCache::bytes(config, context, act), working});
  };
  add("as_is", bytes_in_use(source, act, [](const SourceTensor& tensor) {
        return tensor.stored.dtype;
      }));
  for (const char* type : {"f32", "bf16", "q8_0", "q5_0", "q4_k_m", "q4_0"})
    add(type, bytes_in_use(source, act, [&](const SourceTensor& tensor) {
          return gguf_dtype(source, tensor, convert_type(type));
        }));
  return out;
}

Inspection inspect(const fs::path& model, bool ask) {
  fs::path path = model.lexically_normal();
  if (path.filename().empty()) path = path.parent_path();  // "model/"
  Inspection out = read_files(ModelSource(path));
  if (ask) {
    out.answers = probe(LanguageModel::load(path));
    judge_answers(out.answers, out.verdict);
  }
  out.sibling = find_sibling(ModelPath(path).base, out);
  return out;
}

std::string advice(const std::string& model, const Inspection& i) {
  const bool base = i.verdict.kind() == ModelKind::base;
  std::string out =
      base
          ? fmt::format(
                "A base model: it continues text and does not answer. Good for "
                "continuing text (seodang generate {} TEXT), scoring it, and "
                "tuning from the ground up (seodang instruct {} "
                "EXAMPLES.jsonl).",
                model, model)
          : fmt::format(
                "An instruct model: it answers messages and stops. Good for "
                "talk (seodang chat {}) and for most fine-tuning, which keeps "
                "how it answers; for tuning from the ground up a base model "
                "serves better.",
                model);
  if (!i.sibling.empty())
    out += base ? fmt::format(
                      " To use it as it is, take its instruct sibling "
                      "{}.",
                      i.sibling)
                : fmt::format(" Its base sibling is {}.", i.sibling);
  else if (base)
    out +=
        " To be used as it is, an instruct sibling is what to look for "
        "(-Instruct, -it or -chat in the name).";
  return out;
}

bool MemoryNeed::fits() const { return total() < machine_memory(); }

std::string to_json(const Inspection& i, const std::string& advice_text) {
  ordered_json memory;
  for (const MemoryNeed& m : i.memory)
    memory[m.type] = {{"weights", m.weights},
                      {"kv_cache", m.kv_cache},
                      {"working", m.working},
                      {"fits", m.fits()}};
  ordered_json out = {{"architecture", i.config.architecture},
                      {"parameters", i.parameters},
                      {"dtype", name_of(i.dtype)},
                      {"context_length", i.config.context_length()},
                      {"vocab_size", i.config.vocab_size},
                      {"kind", name_of(i.verdict.kind())},
                      {"confidence", i.verdict.confidence()},
                      {"evidence", i.verdict.evidence()},
                      {"advice", advice_text},
                      {"memory", memory},
                      {"machine_memory", machine_memory()}};
  if (i.vision_tensors > 0) out["vision_tensors"] = i.vision_tensors;
  if (!i.adapters.empty()) out["adapters"] = i.adapters;
  if (!i.sibling.empty()) out["sibling"] = i.sibling;
  for (const ProbeAnswer& answer : i.answers)
    out["probe"].push_back({{"question", answer.question},
                            {"through_template", answer.through_template},
                            {"text", answer.text},
                            {"stopped", answer.stopped},
                            {"answered", answer.answered}});
  return out.dump();
}

}  // namespace seodang
