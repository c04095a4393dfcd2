// A recipe: everything that decides how a model is raised, as one TOML file.
// Each key has the name of the command's flag; docs/recipes.md lists them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/prepare.h"
#include "data/train_tokenizer.h"
#include "eval/evaluation.h"
#include "train/options.h"

namespace seodang {

// Either a world to weave a corpus from, or files of one's own.
struct CorpusRecipe {
  std::filesystem::path weave;
  bool permute = false;  // weave/weaver.h
  std::vector<std::filesystem::path> texts, examples, suites;
};

struct ReportRecipe {
  std::vector<std::string> compare;  // asked of base and instruct side by side
  std::vector<std::string> explain;  // continued one token at a time
  std::vector<std::string> sources;  // whence the texts come, and their licence
};

struct Recipe {
  std::filesystem::path file;
  std::string name;
  uint64_t seed = 1;
  CorpusRecipe corpus = {};
  TrainTokenizerOptions tokenizer = {};
  PrepareOptions data = {};
  PretrainOptions pretrain = {};
  InstructOptions instruct = {};
  EvalOptions eval = {};
  ReportRecipe report = {};
};

template <class Visit>
void visit_options(ReportRecipe& o, Visit&& visit) {
  visit("compare", o.compare, "Prompts asked of base and instruct");
  visit("explain", o.explain, "Prompts continued one token at a time");
  visit("sources", o.sources, "Whence the texts come, and their licence");
}

class TomlTable;

// The files that a key's patterns stand for, relative to `directory`, in
// alphabetical order; "{run}" in them stands for `run`. Throws UsageError with
// file and line for a pattern that matches none.
std::vector<std::filesystem::path> recipe_files(
    TomlTable& section, std::string_view key,
    const std::filesystem::path& directory,
    const std::filesystem::path& run = {});

// Throws UsageError for a name that cannot be a directory's.
void check_run_name(const std::string& name, const std::filesystem::path& file);

// Reads a recipe. Paths in it are relative to its file; patterns (*, ?, [a-z])
// stand for all files they match, in alphabetical order. Throws UsageError with
// file and line for what TOML does not allow, an unknown key (naming the
// nearest known one), a value of another type and a path that is not there.
// `settings`, "section.key=value" each, stand in for what the file says, and
// `seed` for the recipe's own.
Recipe load_recipe(const std::filesystem::path& file,
                   std::optional<uint64_t> seed = {},
                   const std::vector<std::string>& settings = {});

}  // namespace seodang
