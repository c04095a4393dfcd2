#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fstream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/concurrent.h"
#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "data/conversations.h"
#include "data/json_records.h"
#include "formats/json.h"
#include "serve/remote_model.h"

namespace seodang {
namespace {

using Json = nlohmann::ordered_json;

struct TeachArguments {
  std::string model, questions, output, system;
  int parallel = 4;
  bool json = false;
  GenerateOptions options;
};

struct Question {
  std::string instruction, information;
  auto operator<=>(const Question&) const = default;  // NOLINT: its own zero
};

std::string text_of(const Json& object, const char* key) {
  const Json value = object.value(key, Json());
  return value.is_string() ? value.get<std::string>() : "";
}

// {"instruction", "information" or "input"}, or {"prompt"}.
Question question_of(const Json& object) {
  Question out;
  if (!object.is_object()) return out;
  out.instruction = text_of(object, "instruction");
  if (out.instruction.empty()) out.instruction = text_of(object, "prompt");
  out.information = text_of(object, "information");
  if (out.information.empty()) out.information = text_of(object, "input");
  return out;
}

// Calls visit(question, where) for each record of the file.
template <class Visit>
void for_each_question(const std::string& file, Visit&& visit) {
  JsonRecords records(file);
  for (std::string record; records.next(record);) {
    const std::string where = fmt::format("{}:{}", file, records.line());
    replace_lone_surrogates(record);
    visit(question_of(parse_ordered_json(record, where)), where);
  }
}

// Without those that come twice. Lines of text (.txt) are questions, too.
std::vector<Question> read_questions(const std::string& file) {
  std::vector<Question> out;
  std::set<Question> seen;
  const auto add = [&](Question question, const std::string& where) {
    if (question.instruction.empty())
      throw Error("{}: no question; wanted is \"instruction\" or \"prompt\"",
                  where);
    if (seen.insert(question).second) out.push_back(std::move(question));
  };
  if (file.ends_with(".txt")) {
    LineReader lines(file, kMaxRecordBytes);
    for (std::string line; lines.next(line);) {
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      const std::string where = fmt::format("{}:{}", file, lines.number());
      check_utf8(line, where);
      add({line, ""}, where);
    }
  } else {
    for_each_question(file, add);
  }
  if (out.empty()) throw Error("{}: there is no question in it", file);
  return out;
}

// What an earlier call wrote; a line that it could not finish is cut off.
std::set<Question> read_answered(const std::string& file) {
  std::set<Question> out;
  if (!std::filesystem::exists(file)) return out;
  const std::string text = read_file(file);
  const size_t whole = text.rfind('\n') + 1;
  if (whole < text.size()) std::filesystem::resize_file(file, whole);
  for_each_question(file, [&](Question question, const std::string&) {
    out.insert(std::move(question));
  });
  return out;
}

void run_teach(const TeachArguments& arguments) {
  if (!is_remote(arguments.model))
    throw UsageError(
        "{}: a teacher is http(s)://HOST/v1#MODEL; seodang serve makes one of "
        "a "
        "model's files",
        arguments.model);
  const RemoteModel teacher(arguments.model);
  std::vector<Question> questions = read_questions(arguments.questions);
  const size_t all = questions.size();
  const std::set<Question> answered = read_answered(arguments.output);
  std::erase_if(questions,
                [&](const Question& q) { return answered.contains(q); });

  const InterruptGuard guard;
  std::ofstream out(arguments.output, std::ios::app);
  if (!out) throw Error("{}: cannot be written", arguments.output);
  Progress progress("teach", static_cast<int64_t>(all),
                    static_cast<int64_t>(all - questions.size()));
  std::mutex mutex;
  int64_t kept = 0, cut = 0, empty = 0, prompt_tokens = 0, tokens = 0;
  concurrently(questions.size(), arguments.parallel, [&](size_t i) {
    if (InterruptGuard::requested()) return;
    const Question& question = questions[i];
    std::vector<Message> messages;
    if (!arguments.system.empty())
      messages.push_back({"system", arguments.system});
    messages.push_back({"user", instruction_prompt(question.instruction,
                                                   question.information)});
    const RemoteAnswer answer = teacher.chat(
        messages, arguments.options,
        [](std::string_view) { return !InterruptGuard::requested(); });
    if (InterruptGuard::requested()) return;
    const std::lock_guard lock(mutex);
    prompt_tokens += answer.prompt_tokens;
    tokens += answer.completion_tokens;
    if (answer.stop == StopReason::length) {
      ++cut;
    } else if (answer.text.find_first_not_of(" \t\r\n") == std::string::npos) {
      ++empty;
    } else {
      ++kept;
      Json line = {{"instruction", question.instruction}};
      if (!question.information.empty())
        line["information"] = question.information;
      line["output"] = answer.text;
      line["teacher"] = {{"model", arguments.model},
                         {"prompt_tokens", answer.prompt_tokens},
                         {"completion_tokens", answer.completion_tokens}};
      out << line.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n"
          << std::flush;
      if (!out)
        throw Error("{}: cannot be written (disk full?)", arguments.output);
    }
    progress.update(static_cast<int64_t>(answered.size()) + kept + cut + empty,
                    fmt::format("{} tokens", prompt_tokens + tokens));
  });

  if (arguments.json) {
    fmt::print("{}\n", Json{{"questions", all},
                            {"answered_before", answered.size()},
                            {"kept", kept},
                            {"cut_off", cut},
                            {"empty", empty},
                            {"prompt_tokens", prompt_tokens},
                            {"completion_tokens", tokens}}
                           .dump());
    return;
  }
  fmt::print(stderr,
             "{} examples in {}, {} of them now, for {} tokens of prompts and "
             "{} of answers\n",
             static_cast<int64_t>(answered.size()) + kept, arguments.output,
             kept, prompt_tokens, tokens);
  if (cut > 0)
    fmt::print(stderr,
               "{} answers were cut off and are left out; --max-tokens is "
               "{}\n",
               cut, arguments.options.max_new_tokens);
  if (empty > 0) fmt::print(stderr, "{} answers were empty\n", empty);
  if (InterruptGuard::requested())
    fmt::print(stderr, "stopped; the same command goes on\n");
}

}  // namespace

void add_teach(CLI::App& program) {
  const auto arguments = std::make_shared<TeachArguments>();
  arguments->options.max_new_tokens = 512;
  CLI::App* command = program.add_subcommand(
      "teach", "Collect instruction examples from a model behind an API");
  command
      ->add_option("URL#MODEL", arguments->model,
                   "The teacher: http(s)://HOST/v1#MODEL, with OPENAI_API_KEY "
                   "of the environment")
      ->required();
  command
      ->add_option("QUESTIONS", arguments->questions,
                   "JSONL with instruction (and information) or prompt, or a "
                   ".txt of one question a line")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "JSONL of examples to write; what is there is not asked "
                   "again")
      ->required();
  command->add_option("--system", arguments->system,
                      "A message that stands before each question");
  command
      ->add_option("--parallel", arguments->parallel,
                   "Questions asked at the same time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  add_generation_options(command, arguments->options);
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->footer(
      "Examples:\n"
      "  seodang teach https://api.example.org/v1#big-model questions.jsonl -o "
      "examples.jsonl\n"
      "  seodang teach http://127.0.0.1:8080/v1#instruct questions.txt -o "
      "examples.jsonl --system \"한 문장으로 답하십시오.\"\n"
      "  seodang instruct BASE examples.jsonl -o TUNED");
  command->callback([arguments] { run_teach(*arguments); });
}

}  // namespace seodang
