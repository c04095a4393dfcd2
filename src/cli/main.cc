#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <exception>

#include "base/error.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "kernels/processor.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

// What was asked for cannot be parsed: one line, and where to read more.
int complain(const CLI::App& program, const CLI::ParseError& error) {
  std::string command = "seodang";
  for (const CLI::App* app = &program; !app->get_subcommands().empty();) {
    app = app->get_subcommands().front();
    command += " " + app->get_name();
  }
  const auto unknown = program.remaining(true);
  const std::string what =
      unknown.empty() ? error.what() : "unknown: " + unknown.front();
  fmt::print(stderr, "{}: {}; see {} --help\n", command, what, command);
  return kUsage;
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
  program.parse_complete_callback([&] { seodang::set_num_threads(threads); });
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
  seodang::add_eval(program);
  seodang::add_inspect(program);
  seodang::add_convert(program);

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    return asked ? program.exit(error) : complain(program, error);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    seodang::limit_isa();
    return run(argc, argv);
  } catch (const seodang::UsageError& error) {
    fmt::print(stderr, "seodang: {}\n", error.what());
    return kUsage;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr,
               "seodang: out of memory; try a smaller batch or model\n");
    return kFailed;
  } catch (const std::exception& error) {
    fmt::print(stderr, "seodang: {}\n", error.what());
    return kFailed;
  }
}
