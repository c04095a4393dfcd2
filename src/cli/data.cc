#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/options.h"
#include "data/prepare.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

struct DataArguments {
  std::vector<std::filesystem::path> files;
  std::filesystem::path output, tokenizer;
  PrepareOptions options;
  bool json = false;
};

void print_row(const std::string& name, int64_t documents, int64_t bytes,
               const std::string& note) {
  fmt::print("{:<16}{:>12}{:>12.2f}  {}\n", name, documents, bytes / 1e6, note);
}

void print_split(const char* name, const PrepareReport::Split& split) {
  print_row(name, split.documents, split.bytes,
            fmt::format("{} tokens", split.tokens));
}

void print_report(const PrepareReport& report, double seconds) {
  fmt::print("{:<16}{:>12}{:>12}\n", "", "documents", "MB");
  print_row("read", report.documents_in, report.bytes_in,
            report.invalid_utf8_documents == 0
                ? ""
                : fmt::format("{} with bytes that are not UTF-8, replaced",
                              report.invalid_utf8_documents));
  for (const auto& dropped : report.dropped)
    print_row("- " + dropped.reason, dropped.documents, dropped.bytes,
              dropped.example);
  print_split("train", report.train);
  print_split("validation", report.validation);
  fmt::print("{:.2f} bytes a token; {:.1f} s, {:.1f} MB/s\n",
             report.bytes_per_token(), seconds,
             report.bytes_in / 1e6 / seconds);
}

void run_data(const DataArguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  const PrepareReport report =
      prepare_corpus(arguments.files, Tokenizer::load(arguments.tokenizer),
                     arguments.options, arguments.output);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  if (arguments.json)
    fmt::print("{}\n", to_json(report).dump(2));
  else
    print_report(report, seconds.count());
}

}  // namespace

void add_data(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("data",
                             "Clean, deduplicate, tokenize and shard a corpus; "
                             "prints what it dropped");
  auto arguments = std::make_shared<DataArguments>();
  command
      ->add_option("files", arguments->files,
                   "Texts: .txt (documents parted by lines of <|endoftext|>) "
                   "or .jsonl or .json (--text-key), also .gz and .zst")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "Directory for the shards, index.json and report.json")
      ->required();
  command
      ->add_option("--tokenizer", arguments->tokenizer,
                   "Directory with tokenizer.json")
      ->required();
  add_options(command, arguments->options);
  command->add_flag("--json", arguments->json, "Print the report as JSON");
  command->footer(
      "Examples:\n"
      "  seodang data corpus.jsonl.zst --tokenizer runs/my/tokenizer -o "
      "runs/my/corpus\n"
      "  seodang data *.txt --tokenizer tok -o corpus --near-duplicates 0 "
      "--validation 0.05");
  command->callback([arguments] { run_data(*arguments); });
}

}  // namespace seodang
