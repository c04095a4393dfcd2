#include "data/conversations.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "data/clean.h"
#include "data/documents.h"
#include "data/json_line.h"
#include "data/lines.h"
#include "formats/csv.h"

namespace seodang {
namespace {

namespace dom = simdjson::dom;

constexpr char kUser[] = "user", kAssistant[] = "assistant",
               kSystem[] = "system";

// The names under which the two kinds of message lists keep their turns.
struct ListShape {
  const char *list, *role, *content;
};
constexpr ListShape kMessages = {"messages", "role", "content"};
constexpr ListShape kShareGpt = {"conversations", "from", "value"};

const char* role_named(std::string_view name) {
  if (name == "user" || name == "human") return kUser;
  if (name == "assistant" || name == "gpt") return kAssistant;
  if (name == "system") return kSystem;
  return nullptr;
}

// Reads one line; every error begins with `where`.
class LineParser {
 public:
  LineParser(dom::object line, const std::string& where)
      : line_(line), where_(where) {}

  std::vector<Message> messages() const {
    for (const ListShape& shape : {kMessages, kShareGpt}) {
      dom::element list;
      if (!line_[shape.list].get(list)) return message_list(shape, list);
    }
    if (has("instruction"))
      return {{kUser, instruction_prompt(text("instruction"), information())},
              {kAssistant, answer("output")}};
    if (has("prompt"))
      return {{kUser, text("prompt")}, {kAssistant, answer("completion")}};
    throw Error(
        "{}: none of the known shapes; wanted are the keys instruction and "
        "output, messages, conversations, or prompt and completion",
        where_);
  }

 private:
  bool has(std::string_view key) const {
    return line_[key].error() == simdjson::SUCCESS;
  }

  std::string text(std::string_view key) const {
    dom::element value;
    if (line_[key].get(value))
      throw Error("{}: missing key \"{}\"", where_, key);
    return clean_text(json_string(value, fmt::format("\"{}\"", key), where_));
  }

  std::string answer(std::string_view key) const {
    std::string out = text(key);
    if (out.empty()) throw Error("{}: \"{}\" is empty", where_, key);
    return out;
  }

  std::string information() const {
    for (const char* key : {"input", "information"})
      if (has(key) && !line_[key].is_null()) return text(key);
    return {};
  }

  std::vector<Message> message_list(const ListShape& shape,
                                    dom::element element) const {
    dom::array list;
    if (element.get(list))
      throw Error("{}: \"{}\" must be a list", where_, shape.list);
    std::vector<Message> out;
    bool answered = false;
    for (const dom::element item : list) {
      const std::string path =
          fmt::format("\"{}\"[{}]", shape.list, out.size());
      out.push_back(message(shape, item, path));
      answered |= out.back().role == kAssistant;
    }
    if (!answered)
      throw Error("{}: \"{}\" holds no answer of the assistant", where_,
                  shape.list);
    return out;
  }

  Message message(const ListShape& shape, dom::element item,
                  const std::string& path) const {
    const auto member = [&](const char* key) {
      const std::string name = fmt::format("{}.{}", path, key);
      dom::element value;
      if (item[key].get(value)) throw Error("{}: missing key {}", where_, name);
      return json_string(value, name, where_);
    };
    const std::string_view role = member(shape.role);
    const char* known = role_named(role);
    if (known == nullptr)
      throw Error(
          "{}: {}.{} is \"{}\"; known are system, user (human) and assistant "
          "(gpt)",
          where_, path, shape.role, role);
    Message out = {known, clean_text(member(shape.content))};
    if (out.content.empty() && known == kAssistant)
      throw Error("{}: {}.{} is empty", where_, path, shape.content);
    return out;
  }

  dom::object line_;
  const std::string& where_;
};

// A row becomes the line that would say the same.
std::vector<Conversation> read_rows(const std::filesystem::path& path) {
  const std::vector<CsvRow> rows = read_csv(path);
  dom::parser parser;
  std::vector<Conversation> out;
  for (size_t r = 1; r < rows.size(); ++r) {
    const std::string where = fmt::format("{}:{}", path.string(), rows[r].line);
    if (rows[r].cells.size() != rows[0].cells.size())
      throw Error("{}: {} cells where the header has {}", where,
                  rows[r].cells.size(), rows[0].cells.size());
    nlohmann::json line = nlohmann::json::object();
    for (const char* key : {"instruction", "input", "information", "output",
                            "prompt", "completion"})
      for (size_t c = 0; c < rows[0].cells.size(); ++c)
        if (rows[0].cells[c] == key) line[key] = rows[r].cells[c];
    const std::string text = line.dump();
    const dom::object object = parse_json_line(parser, text, where);
    out.push_back({LineParser(object, where).messages(),
                   static_cast<uint64_t>(rows[r].line), path.string()});
  }
  if (out.empty()) throw Error("{}: holds no example", path.string());
  return out;
}

}  // namespace

std::vector<Conversation> read_conversations(
    const std::filesystem::path& path) {
  if (is_csv(path)) return read_rows(path);
  LineReader lines(path, kMaxJsonLineBytes);
  dom::parser parser;
  std::vector<Conversation> out;
  std::string line;
  while (lines.next(line)) {
    const std::string where =
        fmt::format("{}:{}", path.string(), lines.number());
    if (!lines.complete())
      throw Error("{}: a line of more than {} MB; one line is one example",
                  where, kMaxJsonLineBytes >> 20);
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    if (find_invalid_utf8(line) != std::string::npos)
      throw Error("{}: not UTF-8; convert the file", where);
    const dom::object object = parse_json_line(parser, line, where);
    out.push_back(
        {LineParser(object, where).messages(), lines.number(), path.string()});
  }
  if (out.empty()) throw Error("{}: holds no example", path.string());
  return out;
}

std::string instruction_prompt(std::string_view instruction,
                               std::string_view information) {
  std::string out(instruction);
  if (!information.empty()) out.append("\n\n").append(information);
  return out;
}

}  // namespace seodang
