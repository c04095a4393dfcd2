#include "eval/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "formats/json_object.h"
#include "model/adapter.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string needed_text(const JsonObject& item, const char* key) {
  if (item.text(key).empty()) throw Error("{}: {} is empty", item.where(), key);
  return item.text(key);
}

Question question(const JsonObject& item) {
  Question q;
  q.id = item.text_or("id", "");
  q.kind = item.text_or("kind", "");
  q.instruction = needed_text(item, "instruction");
  q.input = item.text_or("input", "");
  q.answers = item.texts("answers");
  if (q.answers.empty())
    throw Error("{}: answers is missing or empty", item.where());
  q.wrong = item.texts("wrong");
  q.cloze = item.text_or("cloze", "");
  if (!q.cloze.empty() && q.wrong.empty())
    throw Error("{}: cloze needs \"wrong\" facts to compare with",
                item.where());
  return q;
}

constexpr std::string_view kQuestionPlace = "{question}";

// The settings of a suite: a line without question or text.
void settings(const JsonObject& item, const Json& json, Suite& suite) {
  for (const auto& [key, value] : json.items())
    if (key != "style" && key != "frame" && key != "shots")
      throw Error(
          "{}: \"{}\" is no setting of a suite; there are style, frame, shots",
          item.where(), key);
  const std::string style = item.text_or("style", "any");
  if (style != "any" && style != "sentence")
    throw Error("{}: style is \"any\" or \"sentence\", not \"{}\"",
                item.where(), style);
  suite.style = style == "sentence" ? AnswerStyle::sentence : AnswerStyle::any;
  suite.frame = item.text_or("frame", "");
  if (!suite.frame.empty() &&
      suite.frame.find(kQuestionPlace) == std::string::npos)
    throw Error("{}: frame has no {{question}}", item.where());
  if (!json.contains("shots")) return;
  if (suite.frame.empty())
    throw Error("{}: shots need a frame to stand in", item.where());
  if (!json.at("shots").is_array())
    throw Error("{}: shots must be a list", item.where());
  for (const Json& shot : json.at("shots")) {
    const JsonObject of(shot, item.where() + ": shots");
    suite.shots.push_back(
        {needed_text(of, "question"), needed_text(of, "answer")});
  }
}

// As it is trained on, not a question with its answers.
bool is_example(const Json& json) {
  for (const char* key : {"output", "completion", "messages", "conversations"})
    if (json.is_object() && json.contains(key)) return true;
  return false;
}

// Held out first, then final, seen, general; the rest by name. Korean before
// English.
std::pair<size_t, size_t> rank(const std::string& name) {
  constexpr std::array<std::string_view, 6> kinds = {
      "heldout", "heldout-reworded", "final", "final-reworded",
      "seen",    "general"};
  constexpr std::array<std::string_view, 2> languages = {".ko", ".en"};
  const size_t dot = std::min(name.find('.'), name.size());
  const auto place = [](const auto& order, std::string_view wanted) {
    return static_cast<size_t>(std::ranges::find(order, wanted) -
                               order.begin());
  };
  return {place(kinds, std::string_view(name).substr(0, dot)),
          place(languages, std::string_view(name).substr(dot))};
}

}  // namespace

std::vector<TaskItem> task_items(std::span<const Conversation> conversations) {
  std::vector<TaskItem> items;
  for (const Conversation& conversation : conversations) {
    const auto& all = conversation.messages;
    const auto last = std::find_if(
        all.rbegin(), all.rend(),
        [](const Message& message) { return message.role == "assistant"; });
    items.push_back({{all.begin(), std::prev(last.base())}, last->content});
  }
  return items;
}

Suite load_suite(const fs::path& path) {
  Suite suite;
  suite.name = path.stem().string();
  if (is_csv(path)) {
    suite.task = task_items(read_conversations(path));
    return suite;
  }
  const std::string file = read_file(path);
  std::string_view rest = file;
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", path.string(), line);
    Json json;
    try {
      json = parse_json(text, path.string());
    } catch (const Error&) {
      throw Error("{}: not JSON", where);
    }
    const JsonObject item(json, where);
    if (line == 1 && is_example(json)) {
      suite.task = task_items(read_conversations(path));
      return suite;
    }
    if (line == 1 && !item.has("text") && !item.has("instruction"))
      settings(item, json, suite);
    else if (item.has("text"))
      suite.texts.push_back(needed_text(item, "text"));
    else
      suite.questions.push_back(question(item));
    if (!suite.texts.empty() && !suite.questions.empty())
      throw Error("{}: questions and texts in one suite; give each a file",
                  where);
  }
  if (suite.texts.empty() && suite.questions.empty())
    throw Error("{}: no items", path.string());
  return suite;
}

fs::path run_of(const fs::path& model) {
  fs::path directory = fs::absolute(ModelPath(model).base).lexically_normal();
  if (directory.filename().empty()) directory = directory.parent_path();
  return directory.parent_path();
}

std::vector<fs::path> suites_of_run(const fs::path& model) {
  const fs::path suites = run_of(model) / "corpus" / "suites";
  std::vector<fs::path> out;
  if (!fs::is_directory(suites)) return out;
  for (const auto& entry : fs::directory_iterator(suites))
    if (entry.path().extension() == ".jsonl") out.push_back(entry.path());
  std::sort(out.begin(), out.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.stem().string(), y = b.stem().string();
    return rank(x) != rank(y) ? rank(x) < rank(y) : x < y;
  });
  return out;
}

std::string framed(const Suite& suite, const std::string& question,
                   size_t shots) {
  const auto put = [&](const std::string& what) {
    std::string text = suite.frame;
    return text.replace(text.find(kQuestionPlace), kQuestionPlace.size(), what);
  };
  std::string text;
  for (const Shot& shot :
       std::span(suite.shots).first(std::min(shots, suite.shots.size())))
    text += put(shot.question) + " " + shot.answer + "\n\n";
  return text + put(question);
}

}  // namespace seodang
