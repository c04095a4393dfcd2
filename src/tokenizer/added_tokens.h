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

  // Whether the special token whose text begins at an offset is one there.
  using IsParsed = std::function<bool(size_t offset)>;

  // Calls piece(text, token) for the pieces of `text`, left to right: `token`
  // is null for text between tokens. A special token that is not parsed stays
  // text, as with Hugging Face's encode_special_tokens.
  using Piece = std::function<void(std::string_view, const AddedToken*)>;
  void split(std::string_view text, const IsParsed& is_parsed,
             const Piece& piece) const;

  // The offsets in `text` at which a special token's text begins, ascending;
  // also those inside the text of another.
  std::vector<size_t> special_offsets(std::string_view text) const;

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
