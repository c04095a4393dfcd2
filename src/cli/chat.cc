#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/terminal.h"
#include "data/conversations.h"
#include "generate/generation.h"
#include "generate/language_model.h"
#include "serve/remote_model.h"

namespace seodang {
namespace {

// What happens when the conversation no longer fits into the context.
enum class ContextPolicy { stop, drop_oldest, keep_first };

const std::map<std::string, ContextPolicy> kContextPolicies = {
    {"stop", ContextPolicy::stop},
    {"drop-oldest", ContextPolicy::drop_oldest},
    {"keep-first", ContextPolicy::keep_first}};

constexpr const char kHelp[] =
    "/reset        forget the conversation\n"
    "/regenerate   answer the last question once more\n"
    "/save FILE    write the conversation as JSONL that can be trained on\n"
    "/load FILE    go on with a conversation from a JSONL file (its last)\n"
    "/help         this list\n"
    "/quit         end\n"
    "Ctrl-C stops an answer";

struct ChatArguments {
  std::string model, system;
  int64_t context = 0;  // 0: the usual one
  ContextPolicy policy = ContextPolicy::drop_oldest;
  GenerateOptions options;
  std::optional<Dtype> kv_cache_dtype;
};

template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(stderr, "{}\n", fmt::format(format, std::forward<Args>(args)...));
}

// A conversation at the terminal, or of lines from a pipe.
class Chat {
 public:
  explicit Chat(const ChatArguments& arguments)
      : options_(arguments.options), policy_(arguments.policy) {
    if (!arguments.system.empty())
      messages_.push_back({"system", arguments.system});
    if (is_remote(arguments.model)) {
      if (arguments.kv_cache_dtype)
        throw UsageError("{}: --kv-cache-type wants a model's files",
                         arguments.model);
      remote_.emplace(arguments.model);
      return;
    }
    local_ = std::make_unique<Local>(arguments);
    options_.end_tokens = local_->model.end_tokens();
    // A base model, or a template that takes no system message, is told at
    // once.
    std::vector<Message> first = messages_;
    first.push_back({"user", "?"});
    local_->model.encode_chat(first, now_);
  }

  void run() {
    if (stdin_is_terminal()) say("{}", kHelp);
    std::string line;
    while (next(line)) {
      if (line == "/quit" || line == "/exit") break;
      if (line.starts_with('/'))
        obey(line);
      else if (find_invalid_utf8(line) != std::string::npos)
        say("That line is not UTF-8; it was left out.");
      else if (line.find_first_not_of(" \t") != std::string::npos)
        ask(line);
    }
  }

 private:
  struct Local {
    explicit Local(const ChatArguments& arguments)
        : model(LanguageModel::load(arguments.model)),
          session(model.config(), model.weights(), context_of(arguments),
                  arguments.kv_cache_dtype) {}

    int64_t context_of(const ChatArguments& arguments) const {
      const int64_t most = model.config().context_length();
      if (arguments.context > most)
        throw UsageError(
            "--context {} is more than the {} tokens that {} reads",
            arguments.context, most, arguments.model);
      return usual_context(model.config(), arguments.context);
    }

    LanguageModel model;
    Session session;
  };

  static bool next(std::string& line) {
    if (stdin_is_terminal()) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) return false;
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

  // --- Commands.

  void obey(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string command = line.substr(0, space);
    const std::string file =
        space == std::string::npos ? "" : line.substr(space + 1);
    try {
      if (command == "/reset") {
        messages_.resize(system_messages());
        say("The conversation is forgotten.");
      } else if (command == "/regenerate") {
        regenerate();
      } else if (command == "/help") {
        say("{}", kHelp);
      } else if (command != "/save" && command != "/load") {
        say("{} is unknown; /help lists what there is.", command);
      } else if (file.empty()) {
        say("{} needs a file's name.", command);
      } else if (command == "/save") {
        save(file);
      } else {
        load(file);
      }
    } catch (const Error& error) {  // a wrong file ends no conversation
      say("{}", error.what());
    }
  }

  void save(const std::string& file) const {
    if (messages_.empty() || messages_.back().role != "assistant") {
      say("There is no answer to save yet.");
      return;
    }
    auto turns = nlohmann::ordered_json::array();
    for (const Message& message : messages_)
      turns.push_back({{"role", message.role}, {"content", message.content}});
    write_file(file,
               nlohmann::ordered_json({{"messages", turns}}).dump() + "\n");
    say("{}: {} messages saved.", file, messages_.size());
  }

  void load(const std::string& file) {
    messages_ = read_conversations(file).back().messages;
    say("{}: {} messages loaded.", file, messages_.size());
  }

  void regenerate() {
    if (!messages_.empty() && messages_.back().role == "assistant")
      messages_.pop_back();
    if (messages_.empty() || messages_.back().role != "user") {
      say("There is no question to answer again.");
      return;
    }
    if (options_.sampler.temperature == 0)
      say("(At temperature 0 the answer stays the same; --temperature 0.7 "
          "varies it.)");
    const std::string question = messages_.back().content;
    messages_.pop_back();
    ask(question);
  }

  // --- The context.

  // 1 when the conversation begins with a system message.
  size_t system_messages() const {
    return !messages_.empty() && messages_[0].role == "system" ? 1 : 0;
  }

  // Forgets the oldest question that may go, with its answer. False when there
  // is none.
  bool forget_one() {
    size_t begin = system_messages();
    const auto behind = [&](size_t from) {
      size_t end = from + 1;
      while (end < messages_.size() && messages_[end].role != "user") ++end;
      return end;
    };
    if (policy_ == ContextPolicy::stop || begin >= messages_.size())
      return false;
    if (policy_ == ContextPolicy::keep_first) begin = behind(begin);
    if (begin >= messages_.size()) return false;
    messages_.erase(
        messages_.begin() + static_cast<std::ptrdiff_t>(begin),
        messages_.begin() + static_cast<std::ptrdiff_t>(behind(begin)));
    return true;
  }

  // The prompt, after forgetting what has to be forgotten for an answer to
  // find room. Empty when there is no way.
  std::vector<int32_t> prompt_for(const Message& question) {
    const int64_t context = local_->session.capacity();
    const int64_t room = std::min(options_.max_new_tokens, context / 4);
    const std::vector<Message> before = messages_;
    int dropped = 0;
    for (;;) {
      std::vector<Message> all = messages_;
      all.push_back(question);
      std::vector<int32_t> prompt = local_->model.encode_chat(all, now_);
      if (std::ssize(prompt) + room <= context) {
        if (dropped > 0)
          say("The context of {} tokens is full: {} {} forgotten.", context,
              policy_ == ContextPolicy::keep_first
                  ? "after the first, the oldest"
                  : "the oldest",
              dropped == 1
                  ? "question and its answer are"
                  : fmt::format("{} questions and their answers are", dropped));
        return prompt;
      }
      if (!forget_one()) break;
      ++dropped;
    }
    messages_ = before;
    if (policy_ == ContextPolicy::stop && messages_.size() > system_messages())
      say("The context of {} tokens is full; the line was left out. /save "
          "keeps the conversation, /reset begins another.",
          context);
    else
      say("That is too long for a context of {} tokens; it was left out.",
          context);
    return {};
  }

  // --- Questions.

  static bool print(std::string_view part) {
    fmt::print("{}", part);
    std::fflush(stdout);
    return !InterruptGuard::requested();
  }

  void ask(const std::string& text) {
    // Ctrl-C stops the answer, and where none is being written, the program.
    const InterruptGuard guard({SIGINT});
    remote_ ? ask_remote({"user", text}) : ask_local({"user", text});
  }

  void ask_local(const Message& question) {
    const std::vector<int32_t> prompt = prompt_for(question);
    if (prompt.empty()) return;
    const Generation generation = generate(
        local_->session, local_->model.tokenizer(), prompt, options_,
        [](const Choice&, std::string_view part) { return print(part); });
    keep(question, generation.text, generation.stop,
         std::ssize(generation.tokens));
    show_meter(generation.prompt_tokens + std::ssize(generation.tokens));
  }

  // How much a context holds, its server knows.
  void ask_remote(const Message& question) {
    std::vector<Message> all = messages_;
    all.push_back(question);
    try {
      const RemoteAnswer answer = remote_->chat(all, options_, print);
      keep(question, answer.text, answer.stop, answer.completion_tokens);
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      say("{}", error.what());
    }
  }

  void keep(const Message& question, const std::string& answer, StopReason stop,
            int64_t tokens) {
    fmt::print("\n");
    std::fflush(stdout);
    if (InterruptGuard::requested())
      say("(stopped)");
    else if (stop == StopReason::length)
      say("(cut off after {} tokens)", tokens);
    messages_.push_back(question);
    messages_.push_back({"assistant", answer});
    ++options_.sampler.seed;  // the next answer has draws of its own
  }

  void show_meter(int64_t used) const {
    constexpr int kWidth = 20, kOther = 34;  // columns beside the bar
    const int columns = terminal_width();
    const int width =
        columns > 0 ? std::clamp(columns - kOther, 4, kWidth) : kWidth;
    const int64_t context = local_->session.capacity();
    say("context [{}] {} of {} tokens",
        bar(static_cast<double>(used) / static_cast<double>(context), width),
        used, context);
  }

  std::unique_ptr<Local> local_;
  std::optional<RemoteModel> remote_;  // one of the two
  GenerateOptions options_;
  ContextPolicy policy_;
  std::vector<Message> messages_;
  // One moment for the whole conversation, or midnight would change the prompt
  // behind the kv_cache.
  const std::tm now_ = local_time();
};

}  // namespace

void add_chat(CLI::App& program) {
  const auto arguments = std::make_shared<ChatArguments>();
  arguments->options.max_new_tokens = 256;
  CLI::App* command =
      program.add_subcommand("chat", "Talk with an instruct model");
  command
      ->add_option("MODEL", arguments->model,
                   "Model directory or .gguf file, or MODEL+ADAPTER, or "
                   "http(s)://HOST/v1#NAME")
      ->required();
  command->add_option("--system", arguments->system,
                      "A message that stands before the conversation");
  command
      ->add_option("--context", arguments->context,
                   "Tokens that the conversation may have (default: 8192, or "
                   "all that the model reads if those are fewer)")
      ->check(CLI::Range(int64_t{16}, int64_t{1} << 24));
  command
      ->add_option_function<std::string>(
          "--context-policy",
          [arguments](const std::string& name) {
            arguments->policy = kContextPolicies.at(name);
          },
          "When the context is full. stop: take no more questions; "
          "drop-oldest: forget the oldest questions and their answers; "
          "keep-first: forget the oldest but the first. The system message "
          "always stays")
      ->check(CLI::IsMember({"stop", "drop-oldest", "keep-first"}))
      ->default_str("drop-oldest");
  add_generation_options(command, arguments->options);
  add_prompt_lookup_option(command, arguments->options);
  add_kv_cache_option(command, arguments->kv_cache_dtype);
  command->footer(fmt::format(
      "Examples:\n"
      "  seodang chat runs/demo/instruct\n"
      "  seodang chat runs/demo/instruct --system \"짧게 답하십시오.\" "
      "--temperature 0.7\n"
      "  seodang chat runs/demo/instruct --context-policy stop\n"
      "  echo \"대한민국의 수도는?\" | seodang chat runs/demo/instruct\n"
      "At the prompt:\n{}",
      kHelp));
  command->callback([arguments] {
    check_utf8(arguments->system, "--system");
    Chat(*arguments).run();
  });
}

}  // namespace seodang
