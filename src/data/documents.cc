#include "data/documents.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "data/json_line.h"
#include "data/json_records.h"
#include "data/lines.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDocumentEnd = "<|endoftext|>";
constexpr std::string_view kLone =
    "half of a surrogate pair, as in \"\\ud83d\"; --invalid-utf8 replace would "
    "read it as U+FFFD";

enum class Shape { text, json };

Shape shape_of(const fs::path& file) {
  fs::path name = file.filename();
  if (name.extension() == ".gz" || name.extension() == ".zst")
    name = name.stem();
  if (name.extension() == ".txt") return Shape::text;
  if (name.extension() == ".jsonl" || name.extension() == ".json")
    return Shape::json;
  throw Error(
      "{}: not a corpus file: the name must end in .txt, .jsonl or .json, with "
      ".gz or .zst behind it when compressed",
      file.string());
}

// At most `size` < text.size() bytes: behind a space when there is one in the
// second half, else between two characters.
size_t cut_before(std::string_view text, size_t size) {
  const size_t space = text.find_last_of(" \t", size - 1);
  if (space != std::string_view::npos && space >= size / 2) return space + 1;
  const auto inside_character = [&](size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  constexpr int kLongestCharacter = 4;
  for (int back = 0; back < kLongestCharacter; ++back)
    if (!inside_character(size - back)) return size - back;
  return size;  // not UTF-8 at all
}

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

struct DocumentReader::State {
  std::vector<fs::path> files;
  CorpusFormat format;
  size_t next_file = 0;
  std::optional<LineReader> lines;  // of a text, or
  std::optional<JsonRecords> records;
  std::string name;
  Shape shape = Shape::text;
  std::string line;
  std::string rest;  // of a long text line, for the next document
  simdjson::dom::parser parser;

  bool open_next() {
    if (next_file == files.size()) return false;
    const fs::path& file = files[next_file++];
    name = file.string();
    shape = shape_of(file);
    if (shape == Shape::text)
      lines.emplace(file, kTextDocumentBytes, format.encoding);
    else
      records.emplace(file, format.encoding);
    return true;
  }

  bool next_record(Document& out) {
    if (!records->next(line)) return false;
    out.line = records->line();
    const std::string where = fmt::format("{}:{}", name, out.line);
    out.repaired = make_valid(line, out.line);
    if (replace_lone_surrogates(line)) {
      if (format.invalid_utf8 == "refuse") throw Error("{}: {}", where, kLone);
      out.repaired = true;
    }
    simdjson::dom::element value;
    const std::string& key = format.text_key;
    if (parse_json_line(parser, line, where)[key].get(value))
      throw Error(
          "{}: missing key \"{}\"; --text-key names the one that has the text",
          where, key);
    out.text = json_string(value, fmt::format("\"{}\"", key), where);
    return true;
  }

  bool next_text(Document& out) {
    out.text = std::exchange(rest, {});
    out.line = lines->number();
    bool any = !out.text.empty();
    while (lines->next(line)) {
      if (!any) out.line = lines->number();
      any = true;
      if (line == kDocumentEnd) break;
      out.text += line;
      if (lines->complete()) out.text += '\n';
      if (out.text.size() >= kTextDocumentBytes && blank(line)) break;
      if (out.text.size() >= 2 * kTextDocumentBytes) {
        cut(out.text);
        break;
      }
    }
    if (any) out.repaired = make_valid(out.text, out.line);
    return any;
  }

  // Leaves the last line for the next document, or when it is very long itself,
  // a part of it.
  void cut(std::string& text) {
    size_t end = text.rfind('\n', text.size() - 2) + 1;  // npos + 1 is 0
    if (end < kTextDocumentBytes) end = cut_before(text, kTextDocumentBytes);
    rest = text.substr(end);
    text.resize(end);
  }

  // True when there was something to replace.
  bool make_valid(std::string& text, uint64_t number) {
    const size_t bad = find_invalid_utf8(text);
    if (bad == std::string::npos) return false;
    if (format.invalid_utf8 != "refuse") {
      text = replace_invalid_utf8(text);
      return true;
    }
    number += std::count(text.begin(), text.begin() + bad, '\n');
    throw Error(
        "{}:{}: not UTF-8 (byte 0x{:02X}); name its --encoding, or replace "
        "such bytes with --invalid-utf8 replace",
        name, number, static_cast<unsigned char>(text[bad]));
  }
};

DocumentReader::DocumentReader(std::vector<fs::path> files, CorpusFormat format)
    : state_(std::make_unique<State>()) {
  check_options(format);
  for (const fs::path& file : files) {
    const LineReader readable(file, 1, format.encoding);  // and there
    shape_of(file);
  }
  state_->files = std::move(files);
  state_->format = std::move(format);
}
DocumentReader::~DocumentReader() = default;

bool DocumentReader::next(Document& out) {
  State& s = *state_;
  while (true) {
    if (s.lines || s.records) {
      out.source = s.name;
      if (s.shape == Shape::text ? s.next_text(out) : s.next_record(out))
        return true;
      s.lines.reset();
      s.records.reset();
    }
    if (!s.open_next()) return false;
  }
}

}  // namespace seodang
