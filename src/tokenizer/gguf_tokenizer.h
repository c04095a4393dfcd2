// A GGUF file's tokenizer: its tokenizer.ggml.* arrays (ggml, docs/gguf.md)
// and the tokenizer.json that says the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "formats/gguf.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// Throws Error naming the file and the key; a kind of tokenizer or a way of
// splitting words that is not known is refused by name.
Tokenizer read_gguf_tokenizer(const GgufFile& file);

struct GgufVocabulary {
  GgufMetadata metadata;
  // What another program will do otherwise; empty when nothing.
  std::string note;
};

// The tokenizer of a Hugging Face directory, with unused tokens up to
// `vocab_size`, the model's. Where GGUF has no name for how words are split,
// tokenizer.json goes along whole (tokenizer.huggingface.json), which
// read_gguf_tokenizer prefers.
GgufVocabulary gguf_vocabulary(const std::filesystem::path& model_dir,
                               int64_t vocab_size);

}  // namespace seodang
