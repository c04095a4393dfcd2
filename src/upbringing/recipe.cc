#include "upbringing/recipe.h"

#include <glob.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "formats/toml_table.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> matches(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  const std::unique_ptr<glob_t, decltype(&::globfree)> owner(&found,
                                                             &::globfree);
  std::vector<fs::path> paths;
  if (status == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  std::sort(paths.begin(), paths.end());
  return paths;
}

CorpusRecipe read_corpus(const fs::path& file, TomlTable section) {
  const fs::path directory = fs::absolute(file).parent_path();
  CorpusRecipe corpus;
  const auto worlds = recipe_files(section, "weave", directory);
  section("permute", corpus.permute);
  corpus.texts = recipe_files(section, "texts", directory);
  corpus.examples = recipe_files(section, "examples", directory);
  corpus.suites = recipe_files(section, "suites", directory);
  section.refuse_unknown();
  if (!worlds.empty()) corpus.weave = worlds.front();
  if (corpus.weave.empty() == corpus.texts.empty())
    throw UsageError("{}: [corpus] needs either 'weave' or 'texts'{}",
                     file.string(), corpus.texts.empty() ? "" : ", not both");
  if (corpus.permute && corpus.weave.empty())
    section.fail("permute", "needs 'weave': texts cannot be permuted");
  return corpus;
}

template <class Options>
void read_options(TomlTable section, Options& options) {
  visit_options(options, section);
  section.refuse_unknown();
}

}  // namespace

std::vector<fs::path> recipe_files(TomlTable& section, std::string_view key,
                                   const fs::path& directory,
                                   const fs::path& run) {
  constexpr std::string_view kPlace = "{run}";
  std::vector<fs::path> result;
  for (std::string pattern : section.texts(key)) {
    if (const size_t at = pattern.find(kPlace); at != std::string::npos)
      pattern.replace(at, kPlace.size(), run.string());
    const auto found = matches((directory / pattern).string());
    if (found.empty())
      throw UsageError("{}: no file matches '{}' in {}", section.where(key),
                       pattern, directory.string());
    result.insert(result.end(), found.begin(), found.end());
  }
  return result;
}

void check_run_name(const std::string& name, const fs::path& file) {
  if (name.empty() || name.starts_with('.') ||
      name.find('/') != std::string::npos)
    throw UsageError("{}: name '{}' cannot name a directory", file.string(),
                     name);
}

Recipe load_recipe(const fs::path& file, std::optional<uint64_t> seed,
                   const std::vector<std::string>& settings) {
  TomlTable top = TomlTable::parse(file, settings);
  Recipe recipe{.file = file, .name = file.stem().string()};
  top("name", recipe.name);
  top("seed", recipe.seed);
  recipe.seed = seed.value_or(recipe.seed);
  check_run_name(recipe.name, file);
  recipe.corpus = read_corpus(file, top.table("corpus"));
  recipe.data.seed = recipe.eval.seed = recipe.seed;
  recipe.pretrain.train.seed = recipe.instruct.train.seed = recipe.seed;
  read_options(top.table("tokenizer"), recipe.tokenizer);
  read_options(top.table("data"), recipe.data);
  read_options(top.table("pretrain"), recipe.pretrain);
  read_options(top.table("instruct"), recipe.instruct);
  if (recipe.instruct.lora)
    top.table("instruct")
        .fail("lora",
              "is not for recipes yet: their instruct model "
              "is a whole one");
  read_options(top.table("eval"), recipe.eval);
  read_options(top.table("report"), recipe.report);
  top.refuse_unknown();
  return recipe;
}

}  // namespace seodang
