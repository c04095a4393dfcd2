#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>

#include "base/memory.h"
#include "cli/commands.h"
#include "generate/inspection.h"
#include "generate/session.h"
#include "kernels/matmul.h"

namespace seodang {
namespace {

struct InspectArguments {
  std::string model;
  bool probe = false, json = false;
};

std::string in_mib(int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
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
  for (const std::string& adapter : i.adapters) line("adapter", adapter);
  line("dtype", std::string(name_of(i.dtype)));
  line("layers",
       fmt::format("{} × (hidden {}, intermediate {}, heads {}, "
                   "key-value heads {})",
                   c.num_hidden_layers, c.hidden_size, c.intermediate_size,
                   c.num_attention_heads, c.num_key_value_heads));
  line("context", fmt::format("{} tokens", c.context_length()));
  line("vocabulary",
       fmt::format("{} (tokenizer: {})", c.vocab_size, i.tokenizer_vocab));
  for (const MemoryNeed& m : i.memory)
    line(&m == &i.memory[0] ? "memory" : "",
         fmt::format("{:<8}  {:>9} weights + {} kv_cache + {} working = {}{}",
                     m.type, in_mib(m.weights), in_mib(m.kv_cache),
                     in_mib(m.working), in_mib(m.total()),
                     m.fits() ? "" : ": too much for this machine"));
  line("", fmt::format("kv_cache of {} tokens; {} for the whole context",
                       usual_context(c),
                       in_mib(KvCache::bytes(c, c.context_length(),
                                             fastest_product_dtype()))));
  line("machine", in_mib(machine_memory()));
  line("kind", fmt::format("{} ({:.0f}% sure)", name_of(i.verdict.kind()),
                           std::min(99.0, 100 * i.verdict.confidence())));
  for (const std::string& evidence : i.verdict.evidence())
    line("", "· " + evidence);
  print_probe(i.answers);
  line("advice", advice_text);
}

void run_inspect(const InspectArguments& arguments) {
  const Inspection i = inspect(arguments.model, arguments.probe);
  const std::string advice_text = advice(arguments.model, i);
  if (arguments.json)
    fmt::print("{}\n", to_json(i, advice_text));
  else
    print(i, advice_text);
}

}  // namespace

void add_inspect(CLI::App& program) {
  const auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = program.add_subcommand(
      "inspect", "What a model is, whether base or instruct, and its use");
  command
      ->add_option("MODEL", arguments->model,
                   "Model directory or .gguf file, or MODEL+ADAPTER")
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
