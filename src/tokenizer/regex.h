// Regular expressions of tokenizer files and of scorers, run by PCRE2's
// compiler.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

class JsonObject;

// A pattern over UTF-8 with Unicode properties. Immutable; it may be used from
// many threads at once.
class Regex {
 public:
  // Throws Error when `pattern` is malformed. \s and \S mean Unicode's
  // White_Space, as in the engines of Hugging Face's tokenizers.
  explicit Regex(const std::string& pattern);
  // A text that matches itself.
  static Regex literal(const std::string& text);

  // The first match that begins at or after byte `from`: [begin, end). `text`
  // must be valid UTF-8. Throws Error when the pattern backtracks without end.
  bool search(std::string_view text, size_t from, size_t& begin,
              size_t& end) const;

  // What the groups of each match hold, from left to right; of a pattern
  // without groups, the match itself. A group that takes no part is empty.
  std::vector<std::vector<std::string_view>> captures(
      std::string_view text) const;

  // Calls match(begin, end) for all matches, from left to right. They do not
  // overlap; an empty one is left out where the match before it ended.
  template <class F>
  void for_each_match(std::string_view text, F&& match) const;

  // `text` with each match replaced by `content`, taken literally.
  std::string replace(std::string_view text, std::string_view content) const;

 private:
  Regex(const std::string& source, uint32_t options);
  std::shared_ptr<void> code_;
};

// The "pattern" of a part: {"Regex": …} or {"String": …}.
Regex read_pattern(const JsonObject& part);

template <class F>
void Regex::for_each_match(std::string_view text, F&& match) const {
  size_t last = std::string_view::npos, begin, end;
  for (size_t from = 0; from <= text.size() && search(text, from, begin, end);
       from = end) {
    if (begin == end && end == last) {  // go on behind the next character
      do {
        ++end;
      } while (end < text.size() && (text[end] & 0xC0) == 0x80);
      continue;
    }
    match(begin, end);
    last = end;
  }
}

}  // namespace seodang
