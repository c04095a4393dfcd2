#include "weave/weave_plan.h"

#include "formats/toml_table.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

int count(TomlTable& table, const char* key, int otherwise) {
  table(key, otherwise, "", from_to(0, 100'000'000));
  return otherwise;
}

double share(TomlTable& table, const char* key, double otherwise) {
  table(key, otherwise, "", from_to(0, 1));
  return otherwise;
}

std::string text(TomlTable& table, const char* key, std::string otherwise) {
  table(key, otherwise);
  return otherwise;
}

std::vector<fs::path> paths(TomlTable& table, const char* key) {
  std::vector<fs::path> result;
  for (const std::string& name : table.texts(key))
    result.push_back(table.file().parent_path() / name);
  return result;
}

// The languages a table is for: it stands for one of each.
std::vector<std::string> languages(TomlTable& table) {
  std::vector<std::string> result = table.texts("language");
  if (result.empty()) table.fail("language", "is missing");
  return result;
}

// The files of a key, "{language}" in their names being the language.
std::vector<fs::path> files(TomlTable& table, const std::string& language,
                            const char* key = "files") {
  constexpr std::string_view kPlace = "{language}";
  if (!table.has(key)) table.fail(key, "is missing");
  std::vector<fs::path> result;
  for (std::string name : table.texts(key)) {
    if (const size_t at = name.find(kPlace); at != name.npos)
      name.replace(at, kPlace.size(), language);
    result.push_back(table.file().parent_path() / name);
  }
  return result;
}

Genre genre(TomlTable& table, const std::string& language) {
  Genre genre;
  genre.name = table.text("name");
  genre.language = language;
  genre.files = files(table, language);
  std::string subject = "one";
  table("subject", subject, "", one_of({"one", "many", "none"}));
  genre.subject = subject == "one"    ? Subject::one
                  : subject == "many" ? Subject::many
                                      : Subject::none;
  std::string about = "everything";
  table("about", about, "", one_of({"everything", "taught"}));
  genre.about = about == "taught" ? About::taught : About::everything;
  genre.each = count(table, "each", 1);
  genre.documents = count(table, "documents", 0);
  if (table.has("items")) {
    const auto [least, most] = table.range("items");
    if (least < 1 || most < least || most > 10000)
      table.fail("items", "must have 1 <= least <= most <= 10000");
    genre.least_items = static_cast<int>(least);
    genre.most_items = static_cast<int>(most);
  }
  genre.pools = table.texts("pools");
  genre.head = text(table, "head", "");
  genre.foot = text(table, "foot", "");
  genre.separator = text(table, "separator", " ");
  if (genre.pools.empty())
    table.fail("pools",
               "is missing: name the pools of its files that items are drawn "
               "from");
  return genre;
}

Task task(TomlTable& table, const std::string& language) {
  Task task;
  task.name = table.text("name");
  task.language = language;
  task.files = files(table, language);
  task.pool = table.text("pool");
  task.each = count(table, "each", 0);
  task.documents = count(table, "documents", 0);
  return task;
}

Form form(TomlTable& table, const std::string& language) {
  Form form;
  form.name = table.text("name");
  form.language = language;
  form.file = files(table, language, "template").front();
  form.needs = table.texts("needs");
  form.each = count(table, "each", 1);
  return form;
}

}  // namespace

WeavePlan read_weave_plan(const fs::path& world_toml) {
  WeavePlan plan{.file = world_toml};
  const fs::path folder = world_toml.parent_path();
  TomlTable top = TomlTable::parse(world_toml);
  plan.facts = folder / top.text("facts");
  plan.held_out = share(top, "held_out", plan.held_out);
  plan.final = share(top, "final", plan.final);
  plan.conversations = share(top, "conversations", plan.conversations);
  for (TomlTable& table : top.tables("genre")) {
    for (const std::string& language : languages(table))
      plan.genres.push_back(genre(table, language));
    table.refuse_unknown();
  }
  TomlTable questions = top.table("questions");
  for (TomlTable& table : questions.tables("inquiry")) {
    plan.inquiries.push_back({table.text("asks"), table.text("given")});
    table.refuse_unknown();
  }
  for (TomlTable& table : questions.tables("phrasing")) {
    plan.question_files.push_back({table.text("language"),
                                   folder / table.text("file"),
                                   text(table, "frame", "")});
    table.refuse_unknown();
  }
  plan.named_by = questions.texts("named_by");
  plan.per_fact = count(questions, "per_fact", plan.per_fact);
  plan.suite_size = count(questions, "suite_size", plan.suite_size);
  questions.refuse_unknown();
  for (TomlTable& table : top.tables("task")) {
    for (const std::string& language : languages(table))
      plan.tasks.push_back(task(table, language));
    table.refuse_unknown();
  }
  for (TomlTable& table : top.tables("form")) {
    for (const std::string& language : languages(table))
      plan.forms.push_back(form(table, language));
    table.refuse_unknown();
  }
  TomlTable prose = top.table("prose");
  plan.prose = paths(prose, "files");
  plan.prose_share = share(prose, "share", plan.prose_share);
  plan.prose_held_out = share(prose, "held_out", plan.prose_held_out);
  prose.refuse_unknown();
  top.refuse_unknown();
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
  for (const Form& form : plan.forms) add({form.file});
  add(plan.prose);
  return out;
}

}  // namespace seodang
