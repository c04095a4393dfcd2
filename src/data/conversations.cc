#include "data/conversations.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "base/warning.h"
#include "data/byte_source.h"
#include "data/encoding.h"
#include "data/example_line.h"
#include "data/json_line.h"
#include "data/json_records.h"
#include "formats/csv.h"

namespace seodang {
namespace {

namespace dom = simdjson::dom;

std::string read_all(const std::filesystem::path& path,
                     const std::string& encoding) {
  constexpr size_t kMaxTableBytes = size_t{256} << 20;
  const auto bytes = as_utf8(open_bytes(path), encoding, path.string());
  std::string out;
  for (size_t size = 0;;) {
    out.resize(size + (size_t{1} << 18));
    const size_t got = bytes->read(std::span(out).subspan(size));
    size += got;
    if (size > kMaxTableBytes)
      throw Error("{}: more than {} MB", path.string(), kMaxTableBytes >> 20);
    if (got == 0) {
      out.resize(size);
      return out;
    }
  }
}

// Calls read(ExampleLine, line number) for each row, which becomes the line
// that would say the same.
template <class Read>
void for_each_row(const std::filesystem::path& path,
                  const ExampleFormat& format, const ExampleColumns& columns,
                  Read&& read) {
  const std::vector<CsvRow> rows =
      parse_csv(read_all(path, format.encoding), path);
  if (rows.empty()) return;
  const std::vector<std::string>& header = rows[0].cells;
  for (const auto& [key, name] : columns)
    if (std::ranges::find(header, name) == header.end())
      throw Error("{}:{}: no column \"{}\"; there are {}", path.string(),
                  rows[0].line, name, fmt::join(header, ", "));
  dom::parser parser;
  for (size_t r = 1; r < rows.size(); ++r) {
    const std::string where = fmt::format("{}:{}", path.string(), rows[r].line);
    if (rows[r].cells.size() != header.size())
      throw Error("{}: {} cells where the header has {}", where,
                  rows[r].cells.size(), header.size());
    nlohmann::json line = nlohmann::json::object();
    for (size_t c = 0; c < header.size(); ++c)
      line[header[c]] = rows[r].cells[c];
    const std::string text = line.dump();
    read(ExampleLine(parse_json_line(parser, text, where), where, columns),
         static_cast<uint64_t>(rows[r].line));
  }
}

template <class Read>
void for_each_record(const std::filesystem::path& path,
                     const ExampleFormat& format, const ExampleColumns& columns,
                     Read&& read) {
  JsonRecords records(path, format.encoding);
  dom::parser parser;
  std::string record;
  while (records.next(record)) {
    const std::string where =
        fmt::format("{}:{}", path.string(), records.line());
    if (find_invalid_utf8(record) != std::string::npos)
      throw Error("{}: not UTF-8; convert the file, or name its --encoding",
                  where);
    if (replace_lone_surrogates(record))
      throw Error(
          "{}: half of a surrogate pair, as in \"\\ud83d\"; whoever "
          "wrote the file cut a character",
          where);
    read(ExampleLine(parse_json_line(parser, record, where), where, columns),
         records.line());
  }
}

// What was in the file and not used.
struct Unused {
  std::map<std::string, int64_t> keys;  // and in how many examples
  int64_t unanswered = 0;
  uint64_t first_unanswered = 0;

  void tell(const std::string& file) const {
    if (unanswered > 0)
      warn(
          "{}: {} examples without an answer to learn are left out, the first "
          "in line {}",
          file, unanswered, first_unanswered);
    std::string list;
    for (const auto& [key, count] : keys)
      list += fmt::format("{}{} (in {})", list.empty() ? "" : ", ", key, count);
    if (!list.empty()) warn("{}: keys that are not used: {}", file, list);
  }
};

// read(ExampleLine, line number) makes an example of each line, or none.
template <class Example, class Read>
std::vector<Example> read_examples(const std::filesystem::path& path,
                                   const ExampleFormat& format, Read&& read) {
  const ExampleColumns columns = parse_columns(format.columns);
  check_encoding(format.encoding);
  std::vector<Example> out;
  Unused unused;
  const auto add = [&](const ExampleLine& line, uint64_t number) {
    if (auto example = read(line, number))
      out.push_back(std::move(*example));
    else if (unused.unanswered++ == 0)
      unused.first_unanswered = number;
    for (const std::string& key : line.unread()) ++unused.keys[key];
  };
  is_csv(path) ? for_each_row(path, format, columns, add)
               : for_each_record(path, format, columns, add);
  unused.tell(path.string());
  if (out.empty()) throw Error("{}: holds no example", path.string());
  return out;
}

}  // namespace

std::vector<Conversation> read_conversations(const std::filesystem::path& path,
                                             const ExampleFormat& format) {
  return read_examples<Conversation>(
      path, format,
      [&](const ExampleLine& line,
          uint64_t number) -> std::optional<Conversation> {
        std::vector<Message> messages = line.messages();
        std::string tools = line.tools();
        if (messages.empty()) return std::nullopt;
        return Conversation{std::move(messages), number, path.string(),
                            std::move(tools)};
      });
}

std::vector<Preference> read_preferences(const std::filesystem::path& path,
                                         const ExampleFormat& format) {
  return read_examples<Preference>(
      path, format,
      [&](const ExampleLine& line,
          uint64_t number) -> std::optional<Preference> {
        auto [chosen, rejected] = line.preference();
        const std::string tools = line.tools();
        return Preference{{std::move(chosen), number, path.string(), tools},
                          {std::move(rejected), number, path.string(), tools}};
      });
}

std::string instruction_prompt(std::string_view instruction,
                               std::string_view information) {
  std::string out(instruction);
  if (!information.empty()) out.append("\n\n").append(information);
  return out;
}

}  // namespace seodang
