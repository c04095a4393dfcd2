#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/terminal.h"
#include "formats/json.h"
#include "generate/generation.h"
#include "generate/language_model.h"
#include "grammar/json_schema.h"
#include "grammar/token_filter.h"
#include "serve/remote_model.h"

namespace seodang {
namespace {

using Json = nlohmann::ordered_json;

struct GenerateArguments {
  std::string model, prompt, json_schema;
  GenerateOptions options;
  std::optional<Dtype> kv_cache_dtype;
  bool chat = false, explain = false, json = false;
};

// What a token looks like in a table: white space and broken characters shown.
std::string visible(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t size = utf8_character_size(bytes);
    const auto first = static_cast<unsigned char>(bytes[0]);
    if (first == ' ')
      out += "␣";
    else if (first == '\n')
      out += "⏎";
    else if (size == 0 || first < 0x20)
      out += fmt::format("<{:02X}>", first);
    else
      out += bytes.substr(0, size);
    bytes.remove_prefix(std::max<size_t>(size, 1));
  }
  return out;
}

// One step: the candidates, their probabilities, and which was chosen.
void print_step(size_t step, const Choice& choice, const Tokenizer& tokenizer) {
  constexpr int kTokenWidth = 16, kOther = 31;  // columns beside the bar
  const int width = terminal_width();
  const int bar_width = std::clamp(width - kOther, 4, 30);
  std::vector<Candidate> rows = choice.top;
  const auto is_chosen = [&](const Candidate& c) { return c.id == choice.id; };
  if (std::none_of(rows.begin(), rows.end(), is_chosen))
    rows.push_back({choice.id, choice.logprob});
  for (size_t i = 0; i < rows.size(); ++i) {
    const double p = std::exp(rows[i].logprob);
    const std::string line = fmt::format(
        "{} {} {} {:5.1f}%", is_chosen(rows[i]) ? "▶" : " ",
        padded(visible(tokenizer.token_bytes(rows[i].id)), kTokenWidth),
        bar(p, width > 0 ? bar_width : 30), 100 * p);
    fmt::print("{} {}\n", i == 0 ? fmt::format("{:>4}", step) : "    ",
               is_chosen(rows[i]) ? emphasized(line) : line);
  }
  fmt::print("\n");
}

Json token_json(int32_t id, float logprob, const Tokenizer& tokenizer) {
  return {{"id", id},
          {"text", replace_invalid_utf8(tokenizer.token_bytes(id))},
          {"logprob", logprob}};
}

Json generation_json(const std::string& prompt, const Generation& generation,
                     const Tokenizer& tokenizer) {
  Json tokens = Json::array();
  for (const Choice& choice : generation.tokens) {
    Json token = token_json(choice.id, choice.logprob, tokenizer);
    token["top"] = Json::array();
    for (const Candidate& candidate : choice.top)
      token["top"].push_back(
          token_json(candidate.id, candidate.logprob, tokenizer));
    tokens.push_back(std::move(token));
  }
  return {{"prompt", prompt},
          {"text", generation.text},
          {"stop", name_of(generation.stop)},
          {"tokens", std::move(tokens)},
          {"usage", usage_json(generation)}};
}

// Without the line end that echo and editors write.
std::string read_prompt() {
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::shared_ptr<const Constraint> read_constraint(const std::string& file,
                                                  const Tokenizer& tokenizer) {
  const Json schema = parse_ordered_json(read_file(file), file);
  return std::make_shared<const Constraint>(
      json_schema_grammar(schema, file),
      std::make_shared<const TokenIndex>(tokenizer));
}

// A model behind an API: it tells its text alone.
void generate_remote(const GenerateArguments& arguments) {
  if (arguments.explain || !arguments.json_schema.empty() ||
      arguments.kv_cache_dtype)
    throw UsageError(
        "{}: --explain, --json-schema and --kv-cache-type want a "
        "model's files",
        arguments.model);
  const RemoteModel model(arguments.model);
  const Message message{"user", arguments.prompt};
  const auto print = [&](std::string_view text) {
    if (arguments.json) return true;
    fmt::print("{}", text);
    std::fflush(stdout);
    return true;
  };
  const RemoteAnswer answer =
      arguments.chat
          ? model.chat({&message, 1}, arguments.options, print)
          : model.complete(arguments.prompt, arguments.options, print);
  if (arguments.json) {
    fmt::print("{}\n", Json{{"prompt", arguments.prompt},
                            {"text", answer.text},
                            {"stop", name_of(answer.stop)},
                            {"usage", usage_json(answer)}}
                           .dump());
    return;
  }
  fmt::print("\n");
  std::fflush(stdout);
  fmt::print(stderr, "{} prompt tokens, {} new tokens, {:.1f} s, ended by {}\n",
             answer.prompt_tokens, answer.completion_tokens, answer.seconds,
             name_of(answer.stop));
}

void run_generate(GenerateArguments arguments) {
  if (arguments.prompt == "-") arguments.prompt = read_prompt();
  check_utf8(arguments.prompt, "PROMPT");
  if (is_remote(arguments.model)) return generate_remote(arguments);
  const LanguageModel model = LanguageModel::load(arguments.model);
  const Tokenizer& tokenizer = model.tokenizer();
  const Message message{"user", arguments.prompt};
  const std::vector<int32_t> prompt = arguments.chat
                                          ? model.encode_chat({&message, 1})
                                          : model.encode_text(arguments.prompt);
  GenerateOptions options = arguments.options;
  options.end_tokens = model.end_tokens();
  if (!arguments.explain && !arguments.json) options.top = 0;
  if (!arguments.json_schema.empty())
    options.constraint = read_constraint(arguments.json_schema, tokenizer);
  Session session(model.config(), model.weights(),
                  static_cast<int64_t>(prompt.size()) + options.max_new_tokens,
                  arguments.kv_cache_dtype);

  size_t step = 0;
  const Generation generation =
      generate(session, tokenizer, prompt, options,
               [&](const Choice& choice, std::string_view text) {
                 if (arguments.json) return true;
                 if (arguments.explain)
                   print_step(++step, choice, tokenizer);
                 else
                   fmt::print("{}", text);
                 std::fflush(stdout);
                 return true;
               });
  if (arguments.json) {
    fmt::print("{}\n",
               generation_json(arguments.prompt, generation, tokenizer).dump());
    return;
  }
  if (arguments.explain)
    fmt::print("{}{}\n", arguments.prompt, generation.text);
  else
    fmt::print("\n");
  std::fflush(stdout);
  const Json usage = usage_json(generation);
  fmt::print(
      stderr,
      "{} prompt tokens ({:.0f}/s), {} new tokens ({:.0f}/s{}), ended by "
      "{}\n",
      usage["prompt_tokens"].get<int64_t>(),
      usage["prompt_per_second"].get<double>(),
      usage["completion_tokens"].get<int64_t>(),
      usage["per_second"].get<double>(),
      generation.accepted_draft_tokens > 0
          ? fmt::format(", {} drafted", generation.accepted_draft_tokens)
          : "",
      name_of(generation.stop));
}

}  // namespace

void add_generate(CLI::App& program) {
  const auto arguments = std::make_shared<GenerateArguments>();
  arguments->options.top = 5;
  CLI::App* command =
      program.add_subcommand("generate", "Continue a text, token by token");
  command
      ->add_option("MODEL", arguments->model,
                   "Model directory or .gguf file, or MODEL+ADAPTER, or "
                   "http(s)://HOST/v1#NAME")
      ->required();
  command
      ->add_option("PROMPT", arguments->prompt,
                   "Text to continue; - reads it from the standard input")
      ->required();
  command->add_flag("--chat", arguments->chat,
                    "Ask PROMPT through the model's chat template; else the "
                    "bare text is continued, by an instruct model too");
  command->add_flag("--explain", arguments->explain,
                    "Show at each step the candidates and their probabilities");
  command
      ->add_option(
          "--top", arguments->options.top,
          "Candidates to show for each token, with --explain or --json")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  add_generation_options(command, arguments->options);
  add_prompt_lookup_option(command, arguments->options);
  add_kv_cache_option(command, arguments->kv_cache_dtype);
  command->add_option("--json-schema", arguments->json_schema,
                      "File of a JSON schema that the output has to fit");
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->footer(
      "Examples:\n"
      "  seodang generate runs/demo/base \"나는 아침에 밥을\"\n"
      "  seodang generate runs/demo/base \"The capital of\" --explain "
      "--max-tokens 8\n"
      "  seodang generate runs/demo/instruct \"대한민국의 수도는?\" --chat\n"
      "  seodang generate runs/demo/base \"Once\" --temperature 0.8 --top-p "
      "0.95 --seed 7\n"
      "  seodang generate llama.gguf \"서울을 JSON으로\" --chat --json-schema "
      "city.json\n"
      "  cat story.txt | seodang generate runs/demo/base -");
  command->callback([arguments] { run_generate(*arguments); });
}

}  // namespace seodang
