#include "upbringing/recipe.h"

#include <glob.h>

#include <algorithm>
#include <memory>

#include "base/files.h"
#include "upbringing/section.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestRecipe = 1 << 20;

toml::table parse(const fs::path& file) {
  try {
    return toml::parse(read_file(file, kLargestRecipe), file.string());
  } catch (const toml::parse_error& error) {
    throw UsageError("{}:{}: {}", file.string(), error.source().begin.line,
                     error.description());
  }
}

const toml::table* section_table(Section& recipe, std::string_view name) {
  const toml::node* node = recipe.find(name);
  if (node && !node->is_table())
    throw UsageError("{} must be a section: [{}]", recipe.where(name, *node),
                     name);
  return node ? node->as_table() : nullptr;
}

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

// The files that a key's patterns stand for.
std::vector<fs::path> files(Section& section, std::string_view key,
                            const fs::path& directory) {
  std::vector<std::string> patterns;
  section(key, patterns);
  std::vector<fs::path> result;
  for (const std::string& pattern : patterns) {
    const auto found = matches((directory / pattern).string());
    if (found.empty())
      throw UsageError("{}: no file matches '{}' in {}",
                       section.where(key, *section.find(key)), pattern,
                       directory.string());
    result.insert(result.end(), found.begin(), found.end());
  }
  return result;
}

CorpusRecipe read_corpus(const fs::path& file, Section section) {
  const fs::path directory = fs::absolute(file).parent_path();
  CorpusRecipe corpus;
  const auto worlds = files(section, "weave", directory);
  corpus.texts = files(section, "texts", directory);
  corpus.examples = files(section, "examples", directory);
  corpus.suites = files(section, "suites", directory);
  section.refuse_unknown();
  if (!worlds.empty()) corpus.weave = worlds.front();
  if (corpus.weave.empty() == corpus.texts.empty())
    throw UsageError("{}: [corpus] needs either 'weave' or 'texts'{}",
                     file.string(), corpus.texts.empty() ? "" : ", not both");
  return corpus;
}

template <class Options>
void read_options(Section section, Options& options) {
  visit_options(options, section);
  section.refuse_unknown();
}

}  // namespace

Recipe load_recipe(const fs::path& file, std::optional<uint64_t> seed) {
  const toml::table table = parse(file);
  Section top("", &table);
  const auto section = [&](const char* name) {
    return Section(name, section_table(top, name));
  };
  Recipe recipe{.file = file, .name = file.stem().string()};
  top("name", recipe.name);
  top("seed", recipe.seed);
  recipe.seed = seed.value_or(recipe.seed);
  if (recipe.name.empty() || recipe.name.starts_with('.') ||
      recipe.name.find('/') != std::string::npos)
    throw UsageError("{}: name '{}' cannot name a directory", file.string(),
                     recipe.name);
  recipe.corpus = read_corpus(file, section("corpus"));
  recipe.data.seed = recipe.eval.seed = recipe.seed;
  recipe.pretrain.train.seed = recipe.instruct.train.seed = recipe.seed;
  read_options(section("tokenizer"), recipe.tokenizer);
  read_options(section("data"), recipe.data);
  read_options(section("pretrain"), recipe.pretrain);
  read_options(section("instruct"), recipe.instruct);
  read_options(section("eval"), recipe.eval);
  read_options(section("report"), recipe.report);
  top.refuse_unknown();
  return recipe;
}

}  // namespace seodang
