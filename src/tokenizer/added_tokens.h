// Finding added tokens in text.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// Leftmost, and of those that begin at one place the longest. `tokens` must
// outlive it.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  // The next token at or after byte `from`, and where it begins; nullptr if
  // none. Special tokens count only with `special`.
  const AddedToken* next(std::string_view text, size_t from, bool special,
                         size_t& begin) const;

 private:
  std::array<std::vector<const AddedToken*>, 256> by_first_byte_;
  std::string first_bytes_;
};

}  // namespace seodang
