// The tokens that a tokenizer puts around a text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

struct TokensAround {
  std::vector<std::string> before, after;  // contents
};

// Reads the "post_processor" of tokenizer.json (`json`; "null" for none):
// TemplateProcessing for one text, ByteLevel (which moves offsets, not ids),
// Sequence. Throws Error naming what is not supported.
TokensAround tokens_around_text(const std::string& json);

// Makes the spec put bos_token before a text and eos_token after it, or not; an
// option that says nothing leaves its side as it is. A token that is not named
// is not put. Throws Error when one is not in the vocabulary.
void put_around_text(TokenizerSpec& spec, std::optional<bool> add_bos_token,
                     std::optional<bool> add_eos_token);

}  // namespace seodang
