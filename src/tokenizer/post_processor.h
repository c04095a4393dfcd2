// The token that a tokenizer puts before the text.
#pragma once

#include <cstdint>
#include <string>

namespace seodang {

// Reads the "post_processor" of tokenizer.json (`json`; "null" for none):
// TemplateProcessing with at most one token before the text and none after it,
// ByteLevel (which moves offsets, not ids), Sequence. Returns the content of
// that token, "" for none. Throws Error naming what is not supported.
std::string token_before_text(const std::string& json);

// The JSON of a post-processor that puts the token before the text; of one that
// does nothing when `content` is empty.
std::string post_processor_putting(const std::string& content, int32_t id);

}  // namespace seodang
