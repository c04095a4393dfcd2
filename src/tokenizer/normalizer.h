// Changing the text before it is cut into words.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// The "normalizer" of tokenizer.json: Prepend, Replace, NFC, NFD, NFKC, NFKD,
// Lowercase, Strip, StripAccents and Sequence. Unicode's forms are ICU's.
class Normalizer {
 public:
  // `json`: the part's JSON; "null" changes nothing. Throws Error naming what
  // is not supported.
  explicit Normalizer(const std::string& json);

  bool empty() const { return steps_.empty(); }
  // `text` is valid UTF-8, and so is the result. `prepend`: false in the midst
  // of text, before which Prepend puts nothing.
  std::string normalize(std::string_view text, bool prepend = true) const;

  struct Step {
    std::function<void(std::string&)> change;
    bool is_prepend = false;
  };

 private:
  std::vector<Step> steps_;
};

}  // namespace seodang
