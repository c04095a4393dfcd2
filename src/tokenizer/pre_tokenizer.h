// Cutting text into the words that BPE never merges across.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"

namespace seodang {

// A sequence of Hugging Face's Split(behavior Isolated): each match is a word,
// and so is each stretch between matches; the next pattern cuts the words of
// the one before.
class PreTokenizer {
 public:
  explicit PreTokenizer(const std::vector<std::string>& patterns);

  // Calls `word` with each word of `text` (valid UTF-8), in order.
  template <class F>
  void split(std::string_view text, F&& word) const {
    split_from(0, text, word);
  }

 private:
  template <class F>
  void split_from(size_t stage, std::string_view text, F& word) const;

  std::vector<Regex> stages_;
};

template <class F>
void PreTokenizer::split_from(size_t stage, std::string_view text,
                              F& word) const {
  if (text.empty()) return;
  if (stage == stages_.size()) {
    word(text);
    return;
  }
  size_t done = 0, from = 0, begin, end;
  while (from < text.size() && stages_[stage].search(text, from, begin, end)) {
    if (begin == end) {  // an empty match cuts nothing; step over a character
      from = begin + 1;
      while (from < text.size() && (text[from] & 0xC0) == 0x80) ++from;
      continue;
    }
    split_from(stage + 1, text.substr(done, begin - done), word);
    split_from(stage + 1, text.substr(begin, end - begin), word);
    done = from = end;
  }
  split_from(stage + 1, text.substr(done), word);
}

}  // namespace seodang
