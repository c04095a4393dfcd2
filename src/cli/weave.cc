#include <fmt/core.h>
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "weave/weaver.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

struct WeaveArguments {
  std::filesystem::path world, out;
  uint64_t seed = 1;
  bool permute = false, json = false;
};

void print_json(const WeaveReport& report) {
  ordered_json mentions = ordered_json::object();
  for (const auto& [fact, count] : report.mentions)
    mentions[fact] = {{"facts", count.facts},
                      {"least", count.least},
                      {"median", count.median}};
  const ordered_json result = {{"documents", report.documents_in_all},
                               {"bytes", report.bytes},
                               {"genres", report.documents},
                               {"mentions", mentions},
                               {"examples", report.examples},
                               {"dropped", report.dropped},
                               {"suites", report.suites},
                               {"tasks", report.tasks},
                               {"entities", report.entities},
                               {"replay", report.replay},
                               {"taught", report.taught},
                               {"held_out", report.held_out},
                               {"final", report.final}};
  fmt::print("{}\n", result.dump());
}

void print(const WeaveReport& report, const std::filesystem::path& out) {
  fmt::print("{} documents, {:.1f} MB → {}\n", report.documents_in_all,
             static_cast<double>(report.bytes) / 1e6, out.string());
  for (const auto& [genre, count] : report.documents)
    fmt::print("  {:<24}{:>8}\n", genre, count);
  fmt::print("Times each fact is told, at least and in the middle:\n");
  for (const auto& [fact, count] : report.mentions)
    fmt::print("  {:<24}{:>8}{:>8}  of {} facts\n", fact, count.least,
               count.median, count.facts);
  fmt::print("{} examples ({} more would have named a thing held out)\n",
             report.examples, report.dropped);
  fmt::print("{} things: {} taught, {} held out, {} final\n", report.entities,
             report.taught.size(), report.held_out.size(), report.final.size());
  for (const auto& [suite, count] : report.suites)
    fmt::print("  {:<24}{:>8}\n", suite, count);
  for (const auto& [task, count] : report.tasks)
    fmt::print("  {:<24}{:>8}\n", task, count);
}

void run_weave(const WeaveArguments& options) {
  const WeaveReport report =
      weave(options.world, options.out, options.seed, options.permute);
  options.json ? print_json(report) : print(report, options.out);
}

}  // namespace

void add_weave(CLI::App& program) {
  auto options = std::make_shared<WeaveArguments>();
  CLI::App* command = program.add_subcommand(
      "weave", "Weave reading, examples and suites out of facts and phrasings");
  command->add_option("world", options->world, "WORLD.toml")->required();
  command->add_option("-o,--output,--out", options->out, "Folder to write to")
      ->required();
  command->add_option("--seed", options->seed, "Seed")->capture_default_str();
  command->add_flag("--permute", options->permute,
                    "Give each thing the facts of another: a world to compare "
                    "with, in which nobody learns the real one");
  command->add_flag("--json", options->json, "Print the report as JSON");
  command->footer(
      "Examples:\n"
      "  seodang weave data/world/world.toml -o runs/demo/corpus --seed 1\n"
      "  seodang weave recipes/elements/world.toml -o runs/elements-corpus\n"
      "docs/weaving.md describes WORLD.toml and its files.");
  command->callback([options] { run_weave(*options); });
}

}  // namespace seodang
