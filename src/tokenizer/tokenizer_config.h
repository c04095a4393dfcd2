// The files beside tokenizer.json: tokenizer_config.json, chat_template.jinja,
// special_tokens_map.json. All may be missing.
#pragma once

#include <filesystem>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// Adds to `spec` the bos, eos and pad tokens, the chat template, and with
// "add_bos_token" and "add_eos_token" what stands around a text (as
// transformers 5 takes them for every class; without, tokenizer.json says it).
// Throws Error naming the file.
void read_tokenizer_config(const std::filesystem::path& model_dir,
                           TokenizerSpec& spec);

// Whether the space that SentencePiece puts before a text is put there only
// once ("legacy": false) and not after each special token.
bool read_prefix_once(const std::filesystem::path& model_dir);

// Adds the added tokens that tokenizer_config.json ("added_tokens_decoder") or
// added_tokens.json name, under their ids: for a tokenizer.model, which cannot
// hold them. Where there is a tokenizer.json (`completed`), those that it does
// not have: a token of the vocabulary keeps its id, others get the next ones in
// the order of theirs, as transformers' fast tokenizers do.
void read_added_tokens(const std::filesystem::path& model_dir, bool completed,
                       TokenizerSpec& spec);

// Writes tokenizer_config.json (with the template in it) and
// special_tokens_map.json; removes a chat_template.jinja that would hide the
// template.
void write_tokenizer_config(const std::filesystem::path& model_dir,
                            const TokenizerSpec& spec);

}  // namespace seodang
