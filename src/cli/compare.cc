#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/terminal.h"
#include "generate/generation.h"
#include "generate/language_model.h"
#include "serve/remote_model.h"

namespace seodang {
namespace {

constexpr int kNarrowest = 24;  // columns of a column

struct CompareArguments {
  std::vector<std::string> models_and_prompt;
  GenerateOptions options;
  bool raw = false, json = false;
};

struct Answer {
  std::string path, kind, dtype, text, stop;
  nlohmann::ordered_json usage;
  double load_seconds = 0, seconds = 0;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// Behind an API nothing says whether a model is base or instruct: it is asked
// as an instruct model unless --raw is given.
Answer ask_remote(const std::string& address, const std::string& prompt,
                  const CompareArguments& arguments) {
  const RemoteModel model(address);
  const Message message{"user", prompt};
  const RemoteAnswer answer =
      arguments.raw ? model.complete(prompt, arguments.options)
                    : model.chat({&message, 1}, arguments.options);
  return {address,
          arguments.raw ? "API, bare text" : "API",
          "remote",
          answer.text,
          std::string(name_of(answer.stop)),
          usage_json(answer),
          0,
          answer.seconds};
}

Answer ask(const std::string& path, const std::string& prompt,
           const CompareArguments& arguments) {
  if (is_remote(path)) return ask_remote(path, prompt, arguments);
  auto start = std::chrono::steady_clock::now();
  const LanguageModel model = LanguageModel::load(path);
  const double load_seconds = seconds_since(start);
  const Message message{"user", prompt};
  const bool bare = arguments.raw || model.kind() == ModelKind::base ||
                    model.tokenizer().chat_template().empty();
  const std::vector<int32_t> tokens =
      bare ? model.encode_text(prompt) : model.encode_chat({&message, 1});
  GenerateOptions options = arguments.options;
  options.end_tokens = model.end_tokens();
  Session session(model.config(), model.weights(),
                  std::ssize(tokens) + options.max_new_tokens);
  start = std::chrono::steady_clock::now();
  const Generation generation =
      generate(session, model.tokenizer(), tokens, options);
  return {path,
          std::string(name_of(model.kind())),
          std::string(name_of(model.dtype())),
          generation.text,
          std::string(name_of(generation.stop)),
          usage_json(generation),
          load_seconds,
          seconds_since(start)};
}

std::string heading(const Answer& answer) {
  return fmt::format("{} ({})", answer.path, answer.kind);
}

std::string speed(const Answer& answer) {
  return fmt::format("{} tokens in {:.2f} s, {:.0f} tokens/s, {}",
                     answer.usage["completion_tokens"].get<int64_t>(),
                     answer.seconds, answer.usage["per_second"].get<double>(),
                     answer.dtype);
}

// "⏹": it stopped by itself; "…": it was cut off.
std::string with_end(const Answer& answer) {
  return answer.text + (answer.stop == "length" ? " …" : " ⏹");
}

void print_stacked(const std::vector<Answer>& answers) {
  for (const Answer& answer : answers)
    fmt::print("\n{}\n{}\n{}\n", emphasized(heading(answer)), with_end(answer),
               speed(answer));
}

void print_columns(const std::vector<Answer>& answers, int width) {
  std::vector<std::vector<std::string>> columns;
  for (const Answer& answer : answers) {
    std::vector<std::string> column = wrapped(heading(answer), width);
    std::string rule;
    for (int i = 0; i < width; ++i) rule += "─";
    column.push_back(rule);
    for (const std::string& text : {with_end(answer), rule, speed(answer)})
      for (std::string& line : wrapped(text, width))
        column.push_back(std::move(line));
    columns.push_back(std::move(column));
  }
  fmt::print("\n");
  for (const std::string& line : side_by_side(columns, width))
    fmt::print("{}\n", line);
}

void run_compare(const CompareArguments& arguments) {
  if (arguments.models_and_prompt.size() < 2)
    throw UsageError("compare needs at least one MODEL and a PROMPT");
  const std::string& prompt = arguments.models_and_prompt.back();
  check_utf8(prompt, "PROMPT");
  std::vector<Answer> answers;
  for (size_t i = 0; i + 1 < arguments.models_and_prompt.size(); ++i)
    answers.push_back(ask(arguments.models_and_prompt[i], prompt, arguments));
  if (arguments.json) {
    using Json = nlohmann::ordered_json;
    Json models = Json::array();
    for (const Answer& answer : answers)
      models.push_back({{"path", answer.path},
                        {"kind", answer.kind},
                        {"text", answer.text},
                        {"stop", answer.stop},
                        {"dtype", answer.dtype},
                        {"load_seconds", answer.load_seconds},
                        {"seconds", answer.seconds},
                        {"usage", answer.usage}});
    fmt::print("{}\n", Json({{"prompt", prompt}, {"models", models}}).dump());
    return;
  }
  fmt::print("{}\n", prompt);
  const int count = static_cast<int>(answers.size());
  const int width = (terminal_width() - 3 * (count - 1)) / count;
  if (width < kNarrowest)
    print_stacked(answers);
  else
    print_columns(answers, width);
}

}  // namespace

void add_compare(CLI::App& program) {
  const auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = program.add_subcommand(
      "compare", "Give one prompt to several models, side by side");
  command
      ->add_option("MODEL... PROMPT", arguments->models_and_prompt,
                   "Model directories or .gguf files, or MODEL+ADAPTER, or "
                   "http(s)://HOST/v1#NAME, then the prompt. An instruct model "
                   "gets it through its chat template, a base model as it is")
      ->required();
  command->add_flag("--raw", arguments->raw, "Give every model the bare text");
  add_generation_options(command, arguments->options);
  add_prompt_lookup_option(command, arguments->options);
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->footer(
      "⏹ behind an output: the model stopped by itself; …: it was cut "
      "off. Under it: the new tokens, the time of prompt and tokens, and the "
      "tokens a second after the first.\n"
      "Examples:\n"
      "  seodang compare runs/demo/base runs/demo/instruct "
      "\"대한민국의 수도는?\"\n"
      "  seodang compare runs/demo/base runs/demo/instruct \"The capital of "
      "Peru is\" --raw --max-tokens 12");
  command->callback([arguments] { run_compare(*arguments); });
}

}  // namespace seodang
