// Regular expressions of tokenizer files, run by PCRE2's compiler.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace seodang {

// A pattern over UTF-8 with Unicode properties. Immutable; search() may be
// called from many threads at once.
class Regex {
 public:
  // Throws Error when `pattern` is malformed. \s and \S mean Unicode's
  // White_Space, as in the engines of Hugging Face's tokenizers.
  explicit Regex(const std::string& pattern);

  // The first match that begins at or after byte `from`: [begin, end). `text`
  // must be valid UTF-8. Throws Error when the pattern backtracks without end.
  bool search(std::string_view text, size_t from, size_t& begin,
              size_t& end) const;

 private:
  std::shared_ptr<void> code_;
};

}  // namespace seodang
