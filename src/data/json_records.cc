#include "data/json_records.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace seodang {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// The surrogate that is escaped at `at` ("\ud83d"), if there is one.
std::optional<uint32_t> escaped_surrogate(std::string_view json, size_t at) {
  if (at + 6 > json.size() || json[at] != '\\' || json[at + 1] != 'u' ||
      (json[at + 2] != 'd' && json[at + 2] != 'D'))
    return std::nullopt;
  uint32_t unit = 0;
  const char* const end = json.data() + at + 6;
  const auto [stop, error] =
      std::from_chars(json.data() + at + 2, end, unit, 16);
  if (error != std::errc() || stop != end || unit < 0xD800) return std::nullopt;
  return unit;
}

}  // namespace

JsonRecords::JsonRecords(const std::filesystem::path& path,
                         const std::string& encoding)
    : name_(path.string()), lines_(path, kMaxRecordBytes, encoding) {}

void JsonRecords::too_long() const {
  throw Error(
      "{}:{}: more than {} MB; one line, or one element of an array, "
      "is one example",
      name_, begin_, kMaxRecordBytes >> 20);
}

// The next that is not blank.
bool JsonRecords::next_line() {
  do {
    if (!lines_.next(line_)) return false;
  } while (line_.find_first_not_of(" \t") == std::string::npos);
  at_ = 0;
  return true;
}

bool JsonRecords::next(std::string& record) {
  if (shape_ == Shape::unknown) {
    if (!next_line()) return false;
    at_ = line_.find_first_not_of(" \t");
    shape_ = line_[at_] == '[' ? Shape::array : Shape::lines;
    if (shape_ == Shape::array) {
      ++at_;
      return next_element(record);
    }
  } else if (shape_ == Shape::array) {
    return next_element(record);
  } else if (shape_ == Shape::ended || !next_line()) {
    return false;
  }
  begin_ = lines_.number();
  if (!lines_.complete()) too_long();
  record = line_;
  return true;
}

// From the element's first character to the comma or bracket behind it, those
// within strings and deeper brackets not counted.
bool JsonRecords::next_element(std::string& record) {
  record.clear();
  int depth = 0;
  bool in_string = false, escaped = false;
  for (;;) {
    for (; at_ < line_.size(); ++at_) {
      const char c = line_[at_];
      if (record.empty()) {
        if (is_blank(c) || c == ',') continue;
        begin_ = lines_.number();
      }
      if (in_string) {
        if (!escaped && c == '"') in_string = false;
        escaped = !escaped && c == '\\';
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth > 0 && (c == '}' || c == ']')) {
        --depth;
      } else if (depth == 0 && (c == ',' || c == ']')) {
        if (c == ',') {
          ++at_;
          return true;
        }
        shape_ = Shape::ended;
        if (line_.find_first_not_of(" \t", at_ + 1) != std::string::npos ||
            next_line())
          throw Error("{}:{}: something is behind the array that the file is",
                      name_, lines_.number());
        return !record.empty();
      }
      record += c;
    }
    if (!record.empty() && lines_.complete()) record += '\n';
    if (record.size() > kMaxRecordBytes) too_long();
    if (!next_line())
      throw Error("{}:{}: the file ends within its array; is it complete?",
                  name_, lines_.number());
  }
}

bool replace_lone_surrogates(std::string& json) {
  constexpr uint32_t kFirstLow = 0xDC00;
  bool any = false;
  for (size_t at = json.find('\\'); at != std::string::npos;
       at = json.find('\\', at)) {
    const auto unit = escaped_surrogate(json, at);
    if (!unit) {
      at += 2;  // another escape, perhaps of a backslash
      continue;
    }
    const auto next = escaped_surrogate(json, at + 6);
    if (*unit < kFirstLow && next && *next >= kFirstLow) {
      at += 12;
      continue;
    }
    json.replace(at + 2, 4, "fffd");
    any = true;
    at += 6;
  }
  return any;
}

}  // namespace seodang
