#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "base/warning.h"
#include "cli/commands.h"
#include "kernels/processor.h"
#include "train/ranks.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

// Characters to insert, delete or replace to make one of the other
// (Levenshtein, 1966).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t kept = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({kept, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// Of the flags of `app`, or of its commands, the one that `given` may have
// meant; "" for none.
std::string nearest_name(const CLI::App& app, const std::string& given) {
  std::vector<std::string> names;
  if (given.starts_with("-")) {
    for (const CLI::Option* option : app.get_options())
      for (const std::string& name : option->get_lnames())
        names.push_back("--" + name);
  } else {
    for (const CLI::App* command : app.get_subcommands(nullptr))
      names.push_back(command->get_name());
  }
  const std::string name = given.substr(0, given.find('='));
  std::string best;
  size_t least = 1 + std::max<size_t>(1, name.size() / 4);
  for (const std::string& candidate : names)
    if (const size_t distance = edit_distance(name, candidate);
        distance < least) {
      least = distance;
      best = candidate;
    }
  return best;
}

// What an error message begins with. The ranks of a job often fail in the same
// way, and the first to end ends them all: so others wait for the root's.
std::string rank_prefix() {
  const seodang::Launch launch = seodang::Launch::from_environment();
  if (launch.rank == 0) return "";
  std::this_thread::sleep_for(std::chrono::seconds(3));
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("rank {} on {}: ", launch.rank, host.data());
}

// What was asked for cannot be parsed: one line, and where to read more.
int complain(const CLI::App& program, const CLI::ParseError& error) {
  std::string command = "seodang";
  const CLI::App* app = &program;
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    command += " " + app->get_name();
  }
  const auto unknown = program.remaining(true);
  std::string what = error.what();
  if (!unknown.empty()) {
    what = "unknown: " + unknown.front();
    if (const std::string name = nearest_name(*app, unknown.front());
        !name.empty())
      what += fmt::format("; did you mean {}?", name);
    else if (!unknown.front().starts_with("-") && app != &program)
      what += "; put a text of several words in quotes";
  }
  fmt::print(stderr, "{}{}: {}; see {} --help\n", rank_prefix(), command, what,
             command);
  return kUsage;
}

// Other commands would do one thing several times, to the same files.
void check_runs_in_ranks(const CLI::App& program,
                         const seodang::Launch& launch) {
  constexpr std::array<std::string_view, 4> kTraining = {"pretrain", "instruct",
                                                         "finetune", "prefer"};
  if (launch.size == 1 && launch.apart == 1) return;
  for (const CLI::App* command : program.get_subcommands()) {
    const bool trains =
        std::ranges::find(kTraining, command->get_name()) != kTraining.end();
    if (trains && launch.apart > 1)
      throw seodang::UsageError(
          "srun started {} tasks that do not know of each other; give srun "
          "--mpi=pmix",
          launch.apart);
    if (!trains && launch.size > 1)
      throw seodang::UsageError(
          "{} runs in one process, and here are {} ranks; mpirun and srun are "
          "for {}",
          command->get_name(), launch.size, fmt::join(kTraining, ", "));
  }
}

int run(int argc, char** argv) {
  CLI::App program(
      "Seodang raises language models: raw text in, a well-mannered model out.",
      "seodang");
  program.require_subcommand(1);
  program.fallthrough();
  program.set_version_flag(
      "--version",
      [] {
        return fmt::format("seodang {}\n{}", SEODANG_VERSION,
                           seodang::describe_processor());
      },
      "Version, processor, and the instructions that are used");
  int threads = 0;
  program
      .add_option("--threads", threads,
                  "Threads to use (default: one per core)")
      ->check(CLI::Range(0, 4096));
  program.parse_complete_callback([&] {
    const auto launch = seodang::Launch::from_environment();
    check_runs_in_ranks(program, launch);
    if (launch.rank > 0) seodang::silence_warnings();
    seodang::set_num_threads(threads > 0 ? threads
                                         : seodang::cores_of_rank(launch));
  });
  // One line a command, in the order of a model's life.
  seodang::add_weave(program);
  seodang::add_tokenizer(program);
  seodang::add_data(program);
  seodang::add_pretrain(program);
  seodang::add_instruct(program);
  seodang::add_finetune(program);
  seodang::add_prefer(program);
  seodang::add_raise(program);
  seodang::add_generate(program);
  seodang::add_chat(program);
  seodang::add_compare(program);
  seodang::add_serve(program);
  seodang::add_teach(program);
  seodang::add_eval(program);
  seodang::add_inspect(program);
  seodang::add_convert(program);
  seodang::add_manual(program);

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    if (!asked) return complain(program, error);
    program.exit(error);
  }
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw seodang::Error("the output cannot be written: {}",
                         std::strerror(errno));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto tell = [](std::string_view what, int exit_code) {
    if (!seodang::Ranks::ended_together() || seodang::Ranks::world().root())
      fmt::print(stderr, "{}seodang: {}\n", rank_prefix(), what);
    return exit_code;
  };
  int exit_code = 0;
  try {
    seodang::limit_isa();
    exit_code = run(argc, argv);
  } catch (const seodang::UsageError& error) {
    exit_code = tell(error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    exit_code = tell("out of memory; try a smaller batch or model", kFailed);
  } catch (const std::exception& error) {
    exit_code = tell(error.what(), kFailed);
  }
  seodang::Ranks::finalize(exit_code);
  return exit_code;
}
