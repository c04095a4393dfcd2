#include "eval/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "formats/json.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// One line of a suite file; complaints name file, line and key.
class Item {
 public:
  Item(std::string where, const Json& json)
      : where_(std::move(where)), json_(json) {
    if (!json_.is_object()) throw Error("{}: not a JSON object", where_);
  }

  bool has(const char* key) const { return json_.contains(key); }
  std::string text(const char* key, bool required) const {
    if (!has(key)) {
      if (required) throw Error("{}: \"{}\" is missing", where_, key);
      return {};
    }
    if (!json_[key].is_string())
      throw Error("{}: \"{}\" is not a text", where_, key);
    std::string text = json_[key];
    if (required && text.empty())
      throw Error("{}: \"{}\" is empty", where_, key);
    return text;
  }
  std::vector<std::string> texts(const char* key, bool required) const {
    std::vector<std::string> out;
    if (!has(key)) {
      if (required) throw Error("{}: \"{}\" is missing", where_, key);
      return out;
    }
    if (!json_[key].is_array())
      throw Error("{}: \"{}\" is not a list of texts", where_, key);
    for (const Json& one : json_[key]) {
      if (!one.is_string() || one.get<std::string>().empty())
        throw Error("{}: \"{}\" holds {}, not a text", where_, key, one.dump());
      out.push_back(one);
    }
    if (required && out.empty())
      throw Error("{}: \"{}\" is empty", where_, key);
    return out;
  }
  Question question() const {
    Question q;
    q.id = text("id", false);
    q.instruction = text("instruction", true);
    q.input = text("input", false);
    q.answers = texts("answers", true);
    q.wrong = texts("wrong", false);
    q.cloze = text("cloze", false);
    if (!q.cloze.empty() && q.wrong.empty())
      throw Error("{}: \"cloze\" needs \"wrong\" facts to compare with",
                  where_);
    return q;
  }

 private:
  std::string where_;
  const Json& json_;
};

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
    const Item item(where, json);
    if (item.has("text"))
      suite.texts.push_back(item.text("text", true));
    else
      suite.questions.push_back(item.question());
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
