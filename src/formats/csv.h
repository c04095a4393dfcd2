// Tables as spreadsheets write them: CSV (RFC 4180) and TSV.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

struct CsvRow {
  int64_t line = 0;  // where it begins, from 1
  std::vector<std::string> cells;
};

// Whether the name ends in .csv or .tsv.
bool is_csv(const std::filesystem::path& file);

// The rows that are not blank, the header's first; a byte-order mark and spaces
// around cells without quotes are left out. Tabs part the cells of a .tsv,
// semicolons those of a .csv whose first line has more of them than commas (as
// spreadsheets write it where the comma is decimal). Throws Error naming file
// and line for quotes that do not match, bytes that are no UTF-8 and a file of
// more than 256 MB.
std::vector<CsvRow> read_csv(const std::filesystem::path& file);
// The same of a text that was in that file.
std::vector<CsvRow> parse_csv(std::string_view text,
                              const std::filesystem::path& file);

}  // namespace seodang
