// The file tokenizer.json of Hugging Face's tokenizers library.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// Fills all of the spec but what tokenizer_config.json says. Throws Error
// "NAME: …" for what is malformed, and for each kind of model or option that is
// not supported: a file half-understood gives wrong ids.
TokenizerSpec parse_tokenizer_json(std::string_view text,
                                   std::string_view name);

std::string write_tokenizer_json(const TokenizerSpec& spec);

// One of the file's added tokens: {"content": …, "special": …, …}.
AddedToken read_added_token(const nlohmann::json& value, int32_t id);

// Adds tokens to the spec, each in the place of the added token that had its
// id. Throws Error when an id belongs to another token of the vocabulary, or
// ids are left without token.
void add_tokens(std::vector<AddedToken> tokens, TokenizerSpec& spec);

}  // namespace seodang
