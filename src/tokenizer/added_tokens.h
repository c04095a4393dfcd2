// Finding added tokens in text.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// Leftmost, and of those that begin at one place the longest.
class AddedTokenFinder {
 public:
  // Adds a token, which must outlive this, under the text it is found by: its
  // content, or that normalized. Of equal texts the first counts.
  void add(std::string text, const AddedToken& token);

  // Calls piece(text, token) for the pieces of `text`, left to right: `token`
  // is null for text between tokens. A special token counts only with
  // `parse_special`; else what it covers stays text, as Hugging Face's
  // encode_special_tokens does.
  using Piece = std::function<void(std::string_view, const AddedToken*)>;
  void split(std::string_view text, bool parse_special,
             const Piece& piece) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t& size) const;

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, const AddedToken*, Hash, std::equal_to<>>
      tokens_;
  // Sizes of the texts that begin with a byte, longest first.
  std::array<std::vector<size_t>, 256> sizes_;
  std::array<bool, 256> begins_token_ = {};
};

}  // namespace seodang
