#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/terminal.h"
#include "generate/generation.h"
#include "generate/language_model.h"

namespace seodang {
namespace {

struct Arguments {
  std::string model, system;
  GenerateOptions options;
};

// A conversation at the terminal, or of lines from a pipe.
class Chat {
 public:
  explicit Chat(const Arguments& arguments)
      : model_(LanguageModel::load(arguments.model)),
        options_(arguments.options),
        session_(model_.config(), model_.weights()) {
    options_.end_tokens = model_.end_tokens();
    if (!arguments.system.empty())
      messages_.push_back({"system", arguments.system});
    system_messages_ = messages_.size();
    model_.encode_chat(messages_with("?"));  // a base model is told at once
  }

  void run() {
    if (stdin_is_terminal())
      fmt::print(stderr, "/reset forgets the conversation, /exit ends it.\n");
    std::string line;
    while (next(line)) {
      if (line == "/exit") break;
      if (line == "/reset") {
        messages_.resize(system_messages_);
        fmt::print(stderr, "The conversation is forgotten.\n");
      } else if (line.starts_with('/')) {
        fmt::print(stderr, "{} is unknown; there are /reset and /exit.\n",
                   line);
      } else if (find_invalid_utf8(line) != std::string::npos) {
        fmt::print(stderr, "That line is not UTF-8; it was left out.\n");
      } else if (line.find_first_not_of(" \t\r") != std::string::npos) {
        answer(line);
      }
    }
  }

 private:
  static bool next(std::string& line) {
    if (stdin_is_terminal()) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) return false;
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

  std::vector<Message> messages_with(const std::string& question) const {
    std::vector<Message> all = messages_;
    all.push_back({"user", question});
    return all;
  }

  // The prompt with as many turns as leave room for an answer.
  std::vector<int32_t> prompt_for(const std::string& question) {
    const int64_t context = session_.capacity();
    const int64_t room = std::min(options_.max_new_tokens, context / 4);
    int dropped = 0;
    while (true) {
      std::vector<int32_t> prompt = model_.encode_chat(messages_with(question));
      const bool fits = std::ssize(prompt) + room <= context;
      if (fits || messages_.size() == system_messages_) {
        if (dropped > 0)
          fmt::print(stderr,
                     "The context of {} tokens is full: the oldest {} {} "
                     "forgotten.\n",
                     context, dropped,
                     dropped == 1 ? "question and its answer are"
                                  : "questions and their answers are");
        if (!fits) prompt.clear();
        return prompt;
      }
      const auto oldest =
          messages_.begin() + static_cast<std::ptrdiff_t>(system_messages_);
      messages_.erase(oldest, oldest + 2);
      ++dropped;
    }
  }

  void answer(const std::string& question) {
    const std::vector<int32_t> prompt = prompt_for(question);
    if (prompt.empty()) {
      fmt::print(stderr,
                 "That is too long for a context of {} tokens; it was left "
                 "out.\n",
                 session_.capacity());
      return;
    }
    const Generation generation =
        generate(session_, model_.tokenizer(), prompt, options_,
                 [](const Choice&, std::string_view text) {
                   fmt::print("{}", text);
                   std::fflush(stdout);
                   return true;
                 });
    fmt::print("\n");
    std::fflush(stdout);
    if (generation.stop == StopReason::length)
      fmt::print(stderr, "(cut off after {} tokens)\n",
                 generation.tokens.size());
    messages_.push_back({"user", question});
    messages_.push_back({"assistant", generation.text});
    ++options_.sampler.seed;  // the next answer has draws of its own
  }

  LanguageModel model_;
  GenerateOptions options_;
  Session session_;
  std::vector<Message> messages_;
  size_t system_messages_ = 0;
};

}  // namespace

void add_chat(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  arguments->options.max_new_tokens = 256;
  CLI::App* command =
      program.add_subcommand("chat", "Talk with an instruct model");
  command->add_option("MODEL", arguments->model, "Model directory")->required();
  command->add_option("--system", arguments->system,
                      "A message that stands before the conversation");
  add_generation_options(command, arguments->options);
  command->footer(
      "Examples:\n"
      "  seodang chat runs/demo/instruct\n"
      "  echo \"대한민국의 수도는?\" | seodang chat runs/demo/instruct\n"
      "At the prompt: /reset forgets the conversation, /exit ends it.");
  command->callback([arguments] {
    check_utf8(arguments->system, "--system");
    Chat(*arguments).run();
  });
}

}  // namespace seodang
