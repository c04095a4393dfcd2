#include "formats/csv.h"

#include <csv.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"

namespace seodang {
namespace {

constexpr uint64_t kMaxTableBytes = 256 << 20;

struct Rows {
  std::vector<CsvRow> rows;
  CsvRow row;
  int64_t line = 1;

  static void take_cell(void* text, size_t size, void* rows) {
    Rows& self = *static_cast<Rows*>(rows);
    const std::string_view cell(static_cast<const char*>(text), size);
    if (self.row.cells.empty()) self.row.line = self.line;
    self.line += std::ranges::count(cell, '\n');
    self.row.cells.emplace_back(cell);
  }
  static void end_row(int end, void* rows) {
    Rows& self = *static_cast<Rows*>(rows);
    if (end == '\n') ++self.line;
    if (std::ranges::any_of(self.row.cells,
                            [](const auto& cell) { return !cell.empty(); }))
      self.rows.push_back(std::move(self.row));
    self.row = {};
  }
};

char delimiter_of(const std::filesystem::path& file, std::string_view text) {
  if (file.extension() == ".tsv") return '\t';
  const std::string_view header = text.substr(0, text.find('\n'));
  return std::ranges::count(header, ';') > std::ranges::count(header, ',')
             ? ';'
             : ',';
}

}  // namespace

bool is_csv(const std::filesystem::path& file) {
  return file.extension() == ".csv" || file.extension() == ".tsv";
}

std::vector<CsvRow> read_csv(const std::filesystem::path& file) {
  return parse_csv(read_file(file, kMaxTableBytes), file);
}

std::vector<CsvRow> parse_csv(std::string_view text,
                              const std::filesystem::path& file) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const size_t bad = find_invalid_utf8(text); bad != text.npos)
    throw Error("{}:{}: a byte that is no UTF-8; save the table as UTF-8",
                file.string(),
                1 + std::ranges::count(text.substr(0, bad), '\n'));
  csv_parser parser{};
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL);
  const std::unique_ptr<csv_parser, decltype(&csv_free)> owner(&parser,
                                                               &csv_free);
  csv_set_delim(&parser, static_cast<unsigned char>(delimiter_of(file, text)));
  Rows rows;
  const size_t read = csv_parse(&parser, text.data(), text.size(),
                                &Rows::take_cell, &Rows::end_row, &rows);
  if (read != text.size() ||
      csv_fini(&parser, &Rows::take_cell, &Rows::end_row, &rows) != 0)
    throw Error(
        "{}:{}: a quote within a cell must be doubled, and a quoted cell must "
        "end with its quote",
        file.string(), rows.line);
  return std::move(rows.rows);
}

}  // namespace seodang
