// The tokenizer of a path: an Error, or one that reads a text and writes it
// back.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

inline void try_tokenizer(const std::filesystem::path& path) {
  try {
    const Tokenizer tokenizer = Tokenizer::load(path);
    tokenizer.decode(tokenizer.encode(
        "서당에서 I'd read 12345 words, <s>\n\n  <|eot_id|> é \xed\xa0\x80",
        {.add_special_tokens = true, .parse_special = true}));
  } catch (const Error&) {
  }
}

}  // namespace seodang
