// Cutting text into the words that BPE never merges across.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"

namespace seodang {

// What stands before a piece of text: nothing, an added token, or text that was
// cut off from it. Where a tokenizer puts a space before a text, it does so
// after none, or after each added token, but never in the midst of text.
enum class Follows { nothing, token, text };

// The "pre_tokenizer" of tokenizer.json: Split with its five behaviours,
// Digits, Metaspace, ByteLevel and Sequence. ByteLevel's spelling of bytes is
// left out: byte-level vocabularies are kept as raw bytes.
class PreTokenizer {
 public:
  // `json`: the part's JSON; "null" cuts nothing. Throws Error naming what is
  // not supported.
  explicit PreTokenizer(const std::string& json);

  // It ends with ByteLevel, so its words are bytes and not characters.
  bool byte_level() const { return byte_level_; }

  // Calls `word` with each word of `text` (valid UTF-8), in order; none is
  // empty.
  using Word = std::function<void(std::string_view)>;
  void split(std::string_view text, const Word& word,
             Follows follows = Follows::nothing) const {
    split_from(0, text, follows, word);
  }

  // What becomes of a match: its own piece, nothing, part of the piece before
  // or after it, or one piece with the matches beside it.
  enum class Behavior {
    isolated,
    removed,
    merged_with_previous,
    merged_with_next,
    contiguous
  };

 private:
  struct Stage {
    // Changes the piece before it is cut; may be empty.
    std::function<std::string(std::string_view, Follows)> change;
    std::vector<Regex> pattern;  // one, or none: nothing is cut
    Behavior behavior = Behavior::isolated;
    bool invert = false;  // what is between the matches counts as the matches
  };
  static Stage split_stage(const JsonObject& part);
  static Stage metaspace_stage(const JsonObject& part);
  static Stage byte_level_stage(const JsonObject& part);
  void read(const JsonObject& part);
  void split_from(size_t stage, std::string_view text, Follows follows,
                  const Word& word) const;
  template <class F>
  static void cut(const Stage& stage, std::string_view text, F&& piece);

  std::vector<Stage> stages_;
  bool byte_level_ = false;
};

// The JSON of a byte-level pre-tokenizer that first cuts at each of `patterns`
// (behavior Isolated).
std::string byte_level_pre_tokenizer(const std::vector<std::string>& patterns);

}  // namespace seodang
