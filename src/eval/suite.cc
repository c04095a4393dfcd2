#include "eval/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "formats/json.h"
#include "formats/json_object.h"

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

// Held out first, then reworded, seen, general; the rest by name.
int rank(const std::string& name) {
  constexpr std::array<std::string_view, 7> order = {"heldout.ko",
                                                     "heldout.en",
                                                     "heldout-reworded.ko",
                                                     "heldout-reworded.en",
                                                     "seen.ko",
                                                     "seen.en",
                                                     "general"};
  return static_cast<int>(std::find(order.begin(), order.end(), name) -
                          order.begin());
}

}  // namespace

Suite load_suite(const fs::path& path) {
  const std::string file = read_file(path);
  Suite suite;
  suite.name = path.stem().string();
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
    if (item.has("text"))
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

std::vector<fs::path> suites_of_run(const fs::path& model) {
  fs::path directory = fs::absolute(model).lexically_normal();
  if (directory.filename().empty()) directory = directory.parent_path();
  const fs::path suites = directory.parent_path() / "corpus" / "suites";
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

}  // namespace seodang
