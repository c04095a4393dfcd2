#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "formats/safetensors.h"
#include "generate/language_model.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string model;
  bool json = false;
};

struct Inspection {
  ModelConfig config;
  int64_t parameters = 0;    // numbers in the files
  Dtype dtype = Dtype::f32;  // of most of them
  int32_t tokenizer_vocab = 0;
  KindVerdict verdict;
};

Inspection inspect(const fs::path& directory) {
  if (!fs::is_directory(directory))
    throw Error("{}: no such model directory", directory.string());
  Inspection out;
  out.config = ModelConfig::load(directory);
  std::map<Dtype, int64_t> numbers;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".safetensors" ||
        entry.path().stem() == "optimizer")
      continue;
    const SafetensorsFile file(entry.path());
    for (const auto& [name, tensor] : file.entries())
      numbers[tensor.dtype] +=
          static_cast<int64_t>(tensor.data.size() / size_of(tensor.dtype));
  }
  if (numbers.empty())
    throw Error("{}: no model.safetensors", directory.string());
  for (const auto& [dtype, count] : numbers) {
    out.parameters += count;
    if (count > numbers[out.dtype]) out.dtype = dtype;
  }
  const Tokenizer tokenizer = Tokenizer::load(directory);
  out.tokenizer_vocab = tokenizer.vocab_size();
  out.verdict =
      judge_kind(directory, tokenizer, declared_eos(directory, out.config));
  return out;
}

std::string advice(const std::string& model, ModelKind kind) {
  if (kind == ModelKind::base)
    return fmt::format(
        "A base model: it continues text and does not answer. Continue one "
        "with `seodang generate {} TEXT`, or tune it with `seodang instruct`.",
        model);
  return fmt::format(
      "An instruct model: it answers messages and stops. Talk with it by "
      "`seodang chat {}`; for text to be continued a base model serves better.",
      model);
}

int64_t kv_cache_bytes(const ModelConfig& c, Dtype dtype) {
  return int64_t{2} * c.num_hidden_layers * c.num_key_value_heads * c.head_dim *
         c.context_length() * static_cast<int64_t>(size_of(dtype));
}

std::string in_mib(int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

void print_json(const Inspection& i, const std::string& advice_text) {
  using Json = nlohmann::ordered_json;
  Json memory;
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
    memory[std::string(name_of(dtype))] = {
        {"weights", i.parameters * static_cast<int64_t>(size_of(dtype))},
        {"kv_cache", kv_cache_bytes(i.config, dtype)}};
  const Json out = {{"architecture", i.config.architecture},
                    {"parameters", i.parameters},
                    {"dtype", name_of(i.dtype)},
                    {"context_length", i.config.context_length()},
                    {"vocab_size", i.config.vocab_size},
                    {"kind", name_of(i.verdict.kind)},
                    {"evidence", i.verdict.evidence},
                    {"advice", advice_text},
                    {"memory", memory}};
  fmt::print("{}\n", out.dump());
}

void run(const Arguments& arguments) {
  const Inspection i = inspect(arguments.model);
  const std::string advice_text = advice(arguments.model, i.verdict.kind);
  if (arguments.json) {
    print_json(i, advice_text);
    return;
  }
  const ModelConfig& c = i.config;
  const auto line = [](const char* name, const std::string& value) {
    fmt::print("{:<14}  {}\n", name, value);
  };
  line("architecture", c.architecture);
  line("parameters",
       fmt::format("{:.2f} million", static_cast<double>(i.parameters) / 1e6));
  line("dtype", std::string(name_of(i.dtype)));
  line("layers",
       fmt::format("{} × (hidden {}, intermediate {}, heads {}, "
                   "key-value heads {})",
                   c.num_hidden_layers, c.hidden_size, c.intermediate_size,
                   c.num_attention_heads, c.num_key_value_heads));
  line("context", fmt::format("{} tokens", c.context_length()));
  line("vocabulary",
       fmt::format("{} (tokenizer: {})", c.vocab_size, i.tokenizer_vocab));
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16})
    line(
        dtype == Dtype::f32 ? "memory" : "",
        fmt::format("{}: {} of weights, {} of kv_cache for a full context",
                    name_of(dtype),
                    in_mib(i.parameters * static_cast<int64_t>(size_of(dtype))),
                    in_mib(kv_cache_bytes(c, dtype))));
  line("kind", std::string(name_of(i.verdict.kind)));
  for (const std::string& evidence : i.verdict.evidence)
    line("", "· " + evidence);
  line("advice", advice_text);
}

}  // namespace

void add_inspect(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "inspect", "What a model is, whether base or instruct, and its use");
  command->add_option("MODEL", arguments->model, "Model directory")->required();
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->footer(
      "Examples:\n"
      "  seodang inspect runs/demo/instruct\n"
      "  seodang inspect runs/demo/base --json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace seodang
