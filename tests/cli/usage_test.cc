// How every command meets a user: help with examples, and one line for what it
// does not understand.
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>
#include <regex>
#include <set>

#include "cli/program.h"
#include "upbringing/recipe.h"

namespace seodang {
namespace {

using Usage = ScratchTest;

// Names in the list that follows "Subcommands:" in a help text.
std::set<std::string> subcommands(const std::string& help) {
  std::set<std::string> out;
  const size_t begin = help.find("Subcommands:\n");
  if (begin == std::string::npos) return out;
  static const std::regex entry(R"((?:^|\n)  ([a-z]+) )");
  const std::string list = help.substr(begin, help.find("\n\n", begin) - begin);
  for (std::sregex_iterator it(list.begin(), list.end(), entry), end; it != end;
       ++it)
    out.insert((*it)[1]);
  return out;
}

TEST_F(Usage, EveryCommandHasHelpWithAnExample) {
  const Outcome top = run(dir_, {"--help"});
  EXPECT_EQ(top.exit_code, 0) << top.err;
  const std::set<std::string> commands = subcommands(top.out);
  EXPECT_TRUE(commands.contains("tokenizer")) << top.out;
  EXPECT_TRUE(commands.contains("data")) << top.out;
  for (const std::string& command : commands) {
    const Outcome help = run(dir_, {command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << help.err;
    EXPECT_EQ(help.err, "");
    EXPECT_NE(help.out.find("seodang " + command + " "), std::string::npos)
        << command << " has no example:\n"
        << help.out;
    for (const std::string& part : subcommands(help.out)) {
      const Outcome inner = run(dir_, {command, part, "--help"});
      EXPECT_NE(inner.out.find("seodang " + command + " " + part + " "),
                std::string::npos)
          << command << " " << part << " has no example:\n"
          << inner.out;
    }
  }
  EXPECT_TRUE(names().empty());
}

// A recipe's keys are the flags of the commands.
TEST_F(Usage, EveryKeyOfARecipeIsAFlag) {
  Recipe recipe;
  const auto expect_flags = [&](const std::string& command, auto& options) {
    const std::string help = run(dir_, words(command + " --help")).out;
    visit_options(options, [&](const std::string& name, const auto&...) {
      EXPECT_NE(help.find("--" + name), std::string::npos)
          << command << " has no --" << name;
    });
  };
  expect_flags("tokenizer train", recipe.tokenizer);
  expect_flags("data", recipe.data);
  expect_flags("pretrain", recipe.pretrain);
  expect_flags("instruct", recipe.instruct);
  expect_flags("eval", recipe.eval);
}

TEST_F(Usage, VersionSaysWhatAReportOfAFaultNeeds) {
  const Outcome version = run(dir_, {"--version"});
  EXPECT_EQ(version.exit_code, 0);
  for (const char* part : {"seodang " SEODANG_VERSION "\n", "\nprocessor  ",
                           "\nkernels    ", "\nproducts   "})
    EXPECT_NE(version.out.find(part), std::string::npos) << version.out;
}

TEST_F(Usage, WhatIsNotUnderstoodIsOneLineAndExitsWith2) {
  expect_complaint(run(dir_, {}), 2, "--help");
  expect_complaint(run(dir_, {"rais"}), 2, "rais");
  expect_complaint(run(dir_, {"--nope"}), 2, "--nope");
  expect_complaint(run(dir_, {"data"}), 2, "files is required");
  expect_complaint(run(dir_, {"tokenizer"}), 2, "seodang tokenizer --help");
  expect_complaint(run(dir_, words("data a -o b --tokenizer c --nope")), 2,
                   "--nope");
  expect_complaint(run(dir_, words("data a -o b --tokenizer c --seed x")), 2,
                   "--seed");
  expect_complaint(run(dir_, words("tokenizer train a -o b --vocab-size x")), 2,
                   "--vocab-size");
  expect_complaint(run(dir_, words("instruct a b -o c --replay 1")), 2,
                   "--replay: must be from 0 to below 1");
  expect_complaint(run(dir_, words("pretrain --data a --tokenizer b -o c "
                                   "--schedule linear")),
                   2, "--schedule: must be wsd or cosine");
  expect_complaint(run(dir_, words("tokenizer encode a b --threads -1")), 2,
                   "--threads");
  EXPECT_TRUE(names().empty());
}

TEST_F(Usage, TellsWhatWasMeant) {
  expect_complaint(run(dir_, {"generat"}), 2, "did you mean generate?");
  expect_complaint(run(dir_, words("generate m hi --max-token 3")), 2,
                   "unknown: --max-token; did you mean --max-tokens?");
  expect_complaint(run(dir_, words("generate m hi --max-token=3")), 2,
                   "did you mean --max-tokens?");
  expect_complaint(run(dir_, words("generate m The capital of")), 2,
                   "unknown: capital; put a text of several words in quotes");
  const Outcome far = run(dir_, words("generate m hi --zzzz"));
  expect_complaint(far, 2, "unknown: --zzzz; see");
}

// On a full disk nothing that was asked for gets lost without a word.
TEST_F(Usage, OutputThatCannotBeWrittenIsAFailure) {
  for (const char* arguments : {"--help", "--version", "pretrain --help"}) {
    const std::string command =
        fmt::format("'{}' {} > /dev/full 2> '{}'", SEODANG_PROGRAM, arguments,
                    (dir_ / "err").string());
    const int status = std::system(command.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 1) << arguments;
    EXPECT_NE(read("err").find("the output cannot be written: No space"),
              std::string::npos);
  }
}

TEST_F(Usage, PretrainListsItsSizes) {
  const std::string help = run(dir_, words("pretrain --help")).out;
  for (const char* size :
       {"nano ", "demo       3.2M weights: hidden 192, 4 layers", "large"})
    EXPECT_NE(help.find(std::string("\n  ") + size), std::string::npos) << size;
}

}  // namespace
}  // namespace seodang
