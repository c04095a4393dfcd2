#include "weave/weave_plan.h"

#include <toml++/toml.h>
#include <set>

#include "base/error.h"
#include "base/files.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

// A TOML table whose every key must be asked for: a misspelt key is an error.
class Table {
 public:
  Table(const toml::table& table, fs::path file)
      : table_(table), file_(std::move(file)) {}

  [[noreturn]] void fail(const toml::node& node, std::string_view what) const {
    throw Error("{}:{}: {}", file_.string(), node.source().begin.line, what);
  }

  template <class T>
  T get(const char* key, T otherwise) {
    const toml::node* node = find(key);
    if (!node) return otherwise;
    const auto value = node->value<T>();
    if (!value) fail(*node, fmt::format("{} is of the wrong kind", key));
    return *value;
  }

  int count(const char* key, int otherwise) {
    const auto value = get<int64_t>(key, otherwise);
    if (value < 0 || value > 100'000'000)
      fail(*find(key), fmt::format("{} must be between 0 and 100000000", key));
    return static_cast<int>(value);
  }

  double share(const char* key, double otherwise) {
    const auto value = get<double>(key, otherwise);
    if (!(value >= 0 && value <= 1))
      fail(*find(key), fmt::format("{} must be between 0 and 1", key));
    return value;
  }

  std::string required(const char* key) {
    if (!find(key)) fail(table_, fmt::format("{} is missing", key));
    return get<std::string>(key, "");
  }

  std::vector<std::string> list(const char* key) {
    const toml::node* node = find(key);
    std::vector<std::string> result;
    if (!node) return result;
    if (const auto one = node->value<std::string>()) return {*one};
    if (!node->is_array())
      fail(*node, fmt::format("{} must be a list of strings", key));
    for (const toml::node& item : *node->as_array()) {
      const auto text = item.value<std::string>();
      if (!text) fail(item, fmt::format("{} must be a list of strings", key));
      result.push_back(*text);
    }
    return result;
  }

  std::vector<fs::path> paths(const char* key) {
    std::vector<fs::path> result;
    for (const std::string& name : list(key))
      result.push_back(file_.parent_path() / name);
    return result;
  }

  std::pair<int, int> range(const char* key, int otherwise) {
    const toml::node* node = find(key);
    if (!node) return {otherwise, otherwise};
    if (const auto one = node->value<int64_t>())
      return {static_cast<int>(*one), static_cast<int>(*one)};
    const toml::array* array = node->as_array();
    if (!array || array->size() != 2 || !(*array)[0].is_integer() ||
        !(*array)[1].is_integer())
      fail(*node, fmt::format("{} must be [least, most]", key));
    const auto low = *(*array)[0].value<int64_t>();
    const auto high = *(*array)[1].value<int64_t>();
    if (low < 1 || high < low || high > 10000)
      fail(*node, fmt::format("{}: expected 1 <= least <= most <= 10000", key));
    return {static_cast<int>(low), static_cast<int>(high)};
  }

  // The tables of [[key]].
  std::vector<Table> tables(const char* key) {
    std::vector<Table> result;
    const toml::node* node = find(key);
    if (!node) return result;
    if (!node->is_array_of_tables())
      fail(*node, fmt::format("{} must be written [[{}]]", key, key));
    for (const toml::node& item : *node->as_array())
      result.emplace_back(*item.as_table(), file_);
    return result;
  }

  Table table(const char* key) {
    static const toml::table kEmpty;
    const toml::node* node = find(key);
    if (!node) return {kEmpty, file_};
    if (!node->is_table()) fail(*node, fmt::format("{} must be a table", key));
    return {*node->as_table(), file_};
  }

  void check_all_known() const {
    for (const auto& [key, node] : table_)
      if (!known_.contains(std::string(key.str())))
        fail(node, fmt::format("unknown key {}", key.str()));
  }

 private:
  const toml::node* find(const char* key) {
    known_.insert(key);
    return table_.get(key);
  }

  const toml::table& table_;
  fs::path file_;
  std::set<std::string> known_;
};

Genre genre(Table& table) {
  Genre genre;
  genre.name = table.required("name");
  genre.language = table.required("language");
  table.required("files");
  genre.files = table.paths("files");
  const auto subject = table.get<std::string>("subject", "one");
  if (subject != "one" && subject != "many" && subject != "none")
    throw Error("genre {}: subject must be \"one\", \"many\" or \"none\"",
                genre.name);
  genre.subject = subject == "one"    ? Subject::one
                  : subject == "many" ? Subject::many
                                      : Subject::none;
  genre.each = table.count("each", 1);
  genre.documents = table.count("documents", 0);
  std::tie(genre.least_items, genre.most_items) = table.range("items", 1);
  genre.pools = table.list("pools");
  genre.head = table.get<std::string>("head", "");
  genre.foot = table.get<std::string>("foot", "");
  genre.separator = table.get<std::string>("separator", " ");
  if (genre.pools.empty())
    throw Error(
        "genre {}: pools is missing: name the pools of its files that "
        "items are drawn from",
        genre.name);
  return genre;
}

Task task(Table& table) {
  Task task;
  task.name = table.required("name");
  task.language = table.required("language");
  table.required("files");
  task.files = table.paths("files");
  task.pool = table.required("pool");
  task.each = table.count("each", 0);
  task.documents = table.count("documents", 0);
  return task;
}

}  // namespace

WeavePlan read_weave_plan(const fs::path& world_toml) {
  toml::table root;
  try {
    root = toml::parse(read_file(world_toml), world_toml.string());
  } catch (const toml::parse_error& error) {
    throw Error("{}:{}: {}", world_toml.string(), error.source().begin.line,
                error.description());
  }
  WeavePlan plan{.file = world_toml};
  const fs::path folder = world_toml.parent_path();
  Table top(root, world_toml);
  plan.facts = folder / top.required("facts");
  plan.held_out = top.share("held_out", plan.held_out);
  plan.conversations = top.share("conversations", plan.conversations);
  for (Table& table : top.tables("genre")) {
    plan.genres.push_back(genre(table));
    table.check_all_known();
  }
  Table questions = top.table("questions");
  for (Table& table : questions.tables("inquiry")) {
    plan.inquiries.push_back({table.required("asks"), table.required("given")});
    table.check_all_known();
  }
  for (Table& table : questions.tables("phrasing")) {
    plan.question_files.push_back(
        {table.required("language"), folder / table.required("file")});
    table.check_all_known();
  }
  plan.named_by = questions.list("named_by");
  plan.per_fact = questions.count("per_fact", plan.per_fact);
  plan.suite_size = questions.count("suite_size", plan.suite_size);
  questions.check_all_known();
  for (Table& table : top.tables("task")) {
    plan.tasks.push_back(task(table));
    table.check_all_known();
  }
  Table prose = top.table("prose");
  plan.prose = prose.paths("files");
  plan.prose_held_out = prose.share("held_out", plan.prose_held_out);
  prose.check_all_known();
  top.check_all_known();
  return plan;
}

std::vector<fs::path> files_of(const WeavePlan& plan) {
  std::vector<fs::path> out = {plan.file, plan.facts};
  const auto add = [&](const std::vector<fs::path>& files) {
    out.insert(out.end(), files.begin(), files.end());
  };
  for (const Genre& genre : plan.genres) add(genre.files);
  for (const QuestionFile& questions : plan.question_files)
    add({questions.file});
  for (const Task& task : plan.tasks) add(task.files);
  add(plan.prose);
  return out;
}

}  // namespace seodang
