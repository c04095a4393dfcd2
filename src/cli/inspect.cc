#include <fmt/core.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "generate/language_model.h"
#include "generate/probe.h"
#include "kernels/matmul.h"
#include "model/model_source.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

struct InspectArguments {
  std::string model;
  bool probe = false, json = false;
};

struct Inspection {
  ModelConfig config;
  int64_t parameters = 0;      // numbers in the files
  int64_t vision_tensors = 0;  // which are not used
  Dtype dtype = Dtype::f32;    // of most of them
  int32_t tokenizer_vocab = 0;
  KindVerdict verdict;
  std::string sibling;  // a model beside it, of the same shape and other kind
  std::vector<ProbeAnswer> answers;
};

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
  const Tokenizer tokenizer = Tokenizer::load(path);
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

Inspection inspect(const InspectArguments& arguments) {
  fs::path path = fs::path(arguments.model).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();  // "model/"
  Inspection out = read_files(ModelSource(path));
  if (arguments.probe) {
    out.answers = probe(LanguageModel::load(path));
    judge_answers(out.answers, out.verdict);
  }
  out.sibling = find_sibling(path, out);
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
                "its manners; for tuning from the ground up a base model "
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

// What one precision takes, in bytes.
struct Memory {
  std::string name;
  int64_t weights, kv_cache;  // the cache of a full context
  bool fits;
};

// What this machine, or the container it runs in, may use.
int64_t machine_memory() {
  int64_t bytes = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE);
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  int64_t most = 0;
  if (limit >> most && most > 0) bytes = std::min(bytes, most);
  return bytes;
}

std::vector<Memory> memory_of(const Inspection& i) {
  std::vector<Memory> out;
  const ModelConfig& c = i.config;
  const int64_t cached = int64_t{2} * c.num_hidden_layers *
                         c.num_key_value_heads * c.head_dim *
                         c.context_length();
  const int64_t machine = machine_memory();
  for (const Dtype dtype :
       {Dtype::f32, Dtype::bf16, Dtype::q8_0, Dtype::q4_k, Dtype::q4_0}) {
    const auto weights = static_cast<int64_t>(bytes_of(dtype, i.parameters));
    const auto kv_cache =
        cached * static_cast<int64_t>(size_of(fastest_product_dtype()));
    out.push_back({std::string(name_of(dtype)), weights, kv_cache,
                   weights + kv_cache < machine});
  }
  return out;
}

std::string in_mib(int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

void print_json(const Inspection& i, const std::string& advice_text) {
  Json memory;
  for (const Memory& m : memory_of(i))
    memory[m.name] = {
        {"weights", m.weights}, {"kv_cache", m.kv_cache}, {"fits", m.fits}};
  Json out = {{"architecture", i.config.architecture},
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
  if (!i.sibling.empty()) out["sibling"] = i.sibling;
  for (const ProbeAnswer& answer : i.answers)
    out["probe"].push_back({{"question", answer.question},
                            {"through_template", answer.through_template},
                            {"text", answer.text},
                            {"stopped", answer.stopped},
                            {"answered", answer.answered}});
  fmt::print("{}\n", out.dump());
}

void line(const char* name, const std::string& value) {
  fmt::print("{:<14}  {}\n", name, value);
}

void print_probe(const std::vector<ProbeAnswer>& answers) {
  for (const ProbeAnswer& answer : answers) {
    std::string text = answer.text;
    std::replace(text.begin(), text.end(), '\n', ' ');
    line(
        &answer == &answers[0] ? "probe" : "",
        fmt::format("{} {} → {} {}", answer.through_template ? "asked" : "text",
                    answer.question, text, answer.stopped ? "⏹" : "…"));
  }
}

void print(const Inspection& i, const std::string& advice_text) {
  const ModelConfig& c = i.config;
  line("architecture", c.architecture);
  line("parameters",
       fmt::format("{:.2f} million", static_cast<double>(i.parameters) / 1e6));
  if (i.vision_tensors > 0)
    line("",
         fmt::format("only the text part is used, {} vision tensors are not",
                     i.vision_tensors));
  line("dtype", std::string(name_of(i.dtype)));
  line("layers",
       fmt::format("{} × (hidden {}, intermediate {}, heads {}, "
                   "key-value heads {})",
                   c.num_hidden_layers, c.hidden_size, c.intermediate_size,
                   c.num_attention_heads, c.num_key_value_heads));
  line("context", fmt::format("{} tokens", c.context_length()));
  line("vocabulary",
       fmt::format("{} (tokenizer: {})", c.vocab_size, i.tokenizer_vocab));
  const std::vector<Memory> memory = memory_of(i);
  for (const Memory& m : memory)
    line(&m == &memory[0] ? "memory" : "",
         fmt::format("{:<8}  {} of weights, {} of kv_cache for a full context: "
                     "{}",
                     m.name, in_mib(m.weights), in_mib(m.kv_cache),
                     m.fits ? "fits" : "too much for this machine"));
  line("machine", in_mib(machine_memory()));
  line("kind", fmt::format("{} ({:.0f}% sure)", name_of(i.verdict.kind()),
                           std::min(99.0, 100 * i.verdict.confidence())));
  for (const std::string& evidence : i.verdict.evidence())
    line("", "· " + evidence);
  print_probe(i.answers);
  line("advice", advice_text);
}

void run_inspect(const InspectArguments& arguments) {
  const Inspection i = inspect(arguments);
  const std::string advice_text = advice(arguments.model, i);
  if (arguments.json)
    print_json(i, advice_text);
  else
    print(i, advice_text);
}

}  // namespace

void add_inspect(CLI::App& program) {
  const auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = program.add_subcommand(
      "inspect", "What a model is, whether base or instruct, and its use");
  command
      ->add_option("MODEL", arguments->model, "Model directory or .gguf file")
      ->required();
  command->add_flag("--probe", arguments->probe,
                    "Also ask a few questions, as bare text and through the "
                    "chat template, and see whether it answers and stops");
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->footer(
      "Examples:\n"
      "  seodang inspect runs/demo/instruct\n"
      "  seodang inspect runs/demo/instruct --probe\n"
      "  seodang inspect runs/demo/base --json\n"
      "  seodang inspect demo-q8_0.gguf");
  command->callback([arguments] { run_inspect(*arguments); });
}

}  // namespace seodang
