// Tokens end in the middle of characters; readers of a stream must not see it.
#pragma once

#include <string>
#include <string_view>

namespace seodang {

// Takes bytes as tokens bring them and gives back whole characters only (a
// Hangul syllable is never broken). What can no longer become a character turns
// into U+FFFD. All outputs joined equal replace_invalid_utf8(all inputs).
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();  // what is left, as U+FFFD; ready for another text

 private:
  std::string pending_;  // the beginning of one character
};

}  // namespace seodang
