#include "data/conversations.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "data/clean.h"
#include "data/json_line.h"
#include "data/json_records.h"
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

  // Chosen and rejected.
  std::pair<std::vector<Message>, std::vector<Message>> preference() const {
    auto chosen = answered("chosen", prompt());
    auto rejected = answered("rejected", prompt());
    if (!std::ranges::equal(
            std::span(chosen).first(chosen.size() - 1),
            std::span(rejected).first(rejected.size() - 1), {},
            [](const Message& m) { return std::tie(m.role, m.content); },
            [](const Message& m) { return std::tie(m.role, m.content); }))
      throw Error("{}: \"chosen\" and \"rejected\" answer different prompts",
                  where_);
    return {std::move(chosen), std::move(rejected)};
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
    std::vector<Message> out = turns(shape, element, shape.list);
    if (std::ranges::none_of(
            out, [](const Message& m) { return m.role == kAssistant; }))
      throw Error("{}: \"{}\" holds no answer of the assistant", where_,
                  shape.list);
    return out;
  }

  std::vector<Message> turns(const ListShape& shape, dom::element element,
                             std::string_view name) const {
    dom::array list;
    if (element.get(list))
      throw Error("{}: \"{}\" must be a list", where_, name);
    std::vector<Message> out;
    for (const dom::element item : list)
      out.push_back(
          message(shape, item, fmt::format("\"{}\"[{}]", name, out.size())));
    return out;
  }

  // What both answers of a pair follow; empty where they bring it themselves.
  std::vector<Message> prompt() const {
    for (const ListShape& shape : {kMessages, kShareGpt}) {
      dom::element list;
      if (!line_[shape.list].get(list)) return turns(shape, list, shape.list);
    }
    if (has("instruction"))
      return {{kUser, instruction_prompt(text("instruction"), information())}};
    dom::element prompt;
    if (line_["prompt"].get(prompt)) return {};
    if (prompt.is_array()) return turns(shape_of(prompt), prompt, "prompt");
    return {{kUser, text("prompt")}};
  }

  // Of a message, or of a list's first.
  static const ListShape& shape_of(dom::element element) {
    dom::element first = element;
    if (element.is_array() && element.at(0).get(first)) return kMessages;
    return first.is_object() && first["from"].error() == simdjson::SUCCESS
               ? kShareGpt
               : kMessages;
  }

  std::vector<Message> answered(const char* key,
                                std::vector<Message> prompt) const {
    dom::element element;
    if (line_[key].get(element))
      throw Error("{}: missing key \"{}\"", where_, key);
    if (element.is_array()) {
      std::vector<Message> list = turns(shape_of(element), element, key);
      // Without a beginning of their own they follow the prompt.
      const bool whole = !list.empty() && list[0].role != kAssistant;
      if (whole) prompt.clear();
      std::ranges::move(list, std::back_inserter(prompt));
    } else if (element.is_object()) {
      prompt.push_back(
          message(shape_of(element), element, fmt::format("\"{}\"", key)));
    } else {
      prompt.push_back({kAssistant, answer(key)});
    }
    if (prompt.empty() || prompt.back().role != kAssistant)
      throw Error("{}: \"{}\" does not end with an answer of the assistant",
                  where_, key);
    if (prompt.size() < 2)
      throw Error(
          "{}: no prompt that \"{}\" answers; wanted are the keys "
          "prompt, chosen and rejected",
          where_, key);
    return prompt;
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

// Calls read(LineParser, line number) for each row, which becomes the line that
// would say the same.
template <class Read>
void for_each_row(const std::filesystem::path& path, Read&& read) {
  const std::vector<CsvRow> rows = read_csv(path);
  dom::parser parser;
  for (size_t r = 1; r < rows.size(); ++r) {
    const std::string where = fmt::format("{}:{}", path.string(), rows[r].line);
    if (rows[r].cells.size() != rows[0].cells.size())
      throw Error("{}: {} cells where the header has {}", where,
                  rows[r].cells.size(), rows[0].cells.size());
    nlohmann::json line = nlohmann::json::object();
    for (const char* key : {"instruction", "input", "information", "output",
                            "prompt", "completion", "chosen", "rejected"})
      for (size_t c = 0; c < rows[0].cells.size(); ++c)
        if (rows[0].cells[c] == key) line[key] = rows[r].cells[c];
    const std::string text = line.dump();
    read(LineParser(parse_json_line(parser, text, where), where),
         static_cast<uint64_t>(rows[r].line));
  }
}

template <class Read>
void for_each_record(const std::filesystem::path& path, Read&& read) {
  JsonRecords records(path);
  dom::parser parser;
  std::string record;
  while (records.next(record)) {
    const std::string where =
        fmt::format("{}:{}", path.string(), records.line());
    if (find_invalid_utf8(record) != std::string::npos)
      throw Error("{}: not UTF-8; convert the file", where);
    if (replace_lone_surrogates(record))
      throw Error(
          "{}: half of a surrogate pair, as in \"\\ud83d\"; whoever "
          "wrote the file cut a character",
          where);
    read(LineParser(parse_json_line(parser, record, where), where),
         records.line());
  }
}

// read(LineParser, line number) makes an example of each line.
template <class Read>
auto read_examples(const std::filesystem::path& path, Read&& read) {
  std::vector<std::invoke_result_t<Read, const LineParser&, uint64_t>> out;
  const auto add = [&](const LineParser& line, uint64_t number) {
    out.push_back(read(line, number));
  };
  is_csv(path) ? for_each_row(path, add) : for_each_record(path, add);
  if (out.empty()) throw Error("{}: holds no example", path.string());
  return out;
}

}  // namespace

std::vector<Conversation> read_conversations(
    const std::filesystem::path& path) {
  return read_examples(path, [&](const LineParser& line, uint64_t number) {
    return Conversation{line.messages(), number, path.string()};
  });
}

std::vector<Preference> read_preferences(const std::filesystem::path& path) {
  return read_examples(path, [&](const LineParser& line, uint64_t number) {
    auto [chosen, rejected] = line.preference();
    return Preference{{std::move(chosen), number, path.string()},
                      {std::move(rejected), number, path.string()}};
  });
}

std::string instruction_prompt(std::string_view instruction,
                               std::string_view information) {
  std::string out(instruction);
  if (!information.empty()) out.append("\n\n").append(information);
  return out;
}

}  // namespace seodang
