#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "data/train_tokenizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct TokenizerArguments {
  std::vector<fs::path> files;
  fs::path out, model, input;
  std::optional<std::string> text;
  std::vector<int32_t> ids;
  TrainTokenizerOptions train;
  std::string invalid_utf8 = "replace";  // of the text to encode
  bool add_special_tokens = false, special = true, skip_special = false,
       json = false, force = false;
};

void run_train(const TokenizerArguments& options) {
  const fs::path vocabulary = vocabulary_file(options.out);
  if (fs::exists(vocabulary) && !options.force)
    throw UsageError("{} is there already; name another directory, or --force",
                     vocabulary.string());
  const auto [tokenizer, documents, bytes] =
      train_tokenizer(options.files, options.train);
  fs::create_directories(options.out);
  tokenizer.save(options.out);
  if (options.json) {
    const ordered_json result = {{"path", options.out.string()},
                                 {"vocab_size", tokenizer.vocab_size()},
                                 {"documents", documents},
                                 {"bytes", bytes}};
    fmt::print("{}\n", result.dump());
    return;
  }
  fmt::print("{} tokens from {} documents ({} bytes) → {}\n",
             tokenizer.vocab_size(), documents, bytes, options.out.string());
  if (tokenizer.vocab_size() < options.train.bpe.vocab_size)
    fmt::print(
        "No pair of neighbours is left that occurs {} times: the vocabulary is "
        "smaller than {}.\n",
        options.train.bpe.min_frequency, options.train.bpe.vocab_size);
}

std::string input_text(const TokenizerArguments& options) {
  std::string text =
      options.text ? *options.text
      : options.input.empty()
          ? std::string(std::istreambuf_iterator<char>(std::cin), {})
          : read_file(options.input);
  const size_t bad = find_invalid_utf8(text);
  if (bad == text.npos) return text;
  if (options.invalid_utf8 == "refuse")
    throw Error(
        "{}: byte {} is not UTF-8 (--invalid-utf8 replace would read it as "
        "U+FFFD)",
        options.input.empty() ? "input" : options.input.string(), bad);
  return replace_invalid_utf8(text);
}

void encode(const TokenizerArguments& options) {
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  const std::string text = input_text(options);
  const std::vector<int32_t> ids =
      tokenizer.encode(text, {.add_special_tokens = options.add_special_tokens,
                              .parse_special = options.special});
  if (options.json) {
    ordered_json tokens = ordered_json::array();
    for (int32_t id : ids)
      tokens.push_back(
          {{"id", id},
           {"text", replace_invalid_utf8(tokenizer.token_bytes(id))}});
    fmt::print("{}\n", ordered_json({{"count", ids.size()},
                                     {"bytes", text.size()},
                                     {"tokens", tokens}})
                           .dump());
    return;
  }
  fmt::print("{}\n", fmt::join(ids, " "));
}

void decode(const TokenizerArguments& options) {
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  std::vector<int32_t> ids = options.ids;
  if (ids.empty()) {
    for (int32_t id; std::cin >> id;) ids.push_back(id);
    if (!std::cin.eof()) throw UsageError("expected token ids on the input");
  }
  const std::string text = tokenizer.decode(ids, options.skip_special);
  if (options.json)
    fmt::print("{}\n", ordered_json({{"text", text}}).dump());
  else
    fmt::print("{}\n", text);
}

void add_train(CLI::App& group,
               const std::shared_ptr<TokenizerArguments>& options) {
  CLI::App& command = *group.add_subcommand(
      "train", "Learn a byte-level BPE vocabulary from text");
  command.footer(
      "Examples:\n"
      "  seodang tokenizer train corpus.txt -o my-model\n"
      "  seodang tokenizer train a.jsonl b.txt.zst -o my-model --vocab-size "
      "4096");
  command
      .add_option("files", options->files,
                  "Text: .txt or .jsonl, also as .gz or .zst")
      ->required();
  command.add_option("-o,--output,--out", options->out, "Directory to write")
      ->required();
  command.add_flag("--force", options->force,
                   "Replace a tokenizer that is there; models made with it "
                   "will not understand the new one");
  add_options(&command, options->train);
  command.add_flag("--json", options->json, "Print the result as JSON");
  command.callback([options] { run_train(*options); });
}

void add_encode(CLI::App& group,
                const std::shared_ptr<TokenizerArguments>& options) {
  CLI::App& command =
      *group.add_subcommand("encode", "Print the token ids of a text");
  command.footer(
      "Examples:\n"
      "  seodang tokenizer encode my-model \"나는 아침에 밥을\"\n"
      "  seodang tokenizer encode my-model --file a.txt --json");
  command
      .add_option(
          "model", options->model,
          "Model directory, directory with tokenizer.json, or .gguf file")
      ->required();
  command.add_option("text", options->text,
                     "The text (default: the standard input)");
  command.add_option("--file", options->input, "Read the text from a file")
      ->excludes("text");
  command.add_flag("--add-special-tokens,--bos", options->add_special_tokens,
                   "Put what the tokenizer puts around a text, as bos");
  command.add_flag("--parse-special,--special,!--no-parse-special",
                   options->special,
                   "Special tokens in the text are their ids, and not text "
                   "(default)");
  command
      .add_option("--invalid-utf8", options->invalid_utf8,
                  "Bytes that are not UTF-8: replace (by U+FFFD) or refuse")
      ->check(CLI::IsMember({"replace", "refuse"}))
      ->capture_default_str();
  command.add_flag("--json", options->json, "Print tokens as JSON");
  command.callback([options] { encode(*options); });
}

void add_decode(CLI::App& group,
                const std::shared_ptr<TokenizerArguments>& options) {
  CLI::App& command =
      *group.add_subcommand("decode", "Print the text of token ids");
  command.footer(
      "Examples:\n"
      "  seodang tokenizer decode my-model 412 87 1033\n"
      "  seodang tokenizer encode my-model 안녕 | seodang tokenizer decode "
      "my-model");
  command
      .add_option(
          "model", options->model,
          "Model directory, directory with tokenizer.json, or .gguf file")
      ->required();
  command.add_option("ids", options->ids,
                     "Token ids (default: the standard input)");
  command.add_flag("--skip-special", options->skip_special,
                   "Leave special tokens out");
  command.add_flag("--json", options->json, "Print the text as JSON");
  command.callback([options] { decode(*options); });
}

}  // namespace

void add_tokenizer(CLI::App& program) {
  CLI::App& group = *program.add_subcommand(
      "tokenizer", "Train a tokenizer, or try one on a text");
  group.require_subcommand(1);
  group.footer(
      "Examples:\n"
      "  seodang tokenizer train corpus.txt -o my-model --vocab-size 8192\n"
      "  seodang tokenizer encode my-model \"나는 아침에 밥을\"");
  const auto options = std::make_shared<TokenizerArguments>();
  add_train(group, options);
  add_encode(group, options);
  add_decode(group, options);
}

}  // namespace seodang
