// The file tokenizer.json of Hugging Face's tokenizers library.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// Fills the spec's vocabulary, merges, added tokens, patterns and template bos.
// Throws Error "NAME: …" for what is malformed, and for each kind of part or
// option that is not supported: a file half-understood gives wrong ids.
TokenizerSpec parse_tokenizer_json(std::string_view text,
                                   std::string_view name);

std::string write_tokenizer_json(const TokenizerSpec& spec);

}  // namespace seodang
