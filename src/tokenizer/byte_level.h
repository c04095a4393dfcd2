// GPT-2's spelling of bytes as printable characters, in which byte-level
// vocabularies are written (Radford et al., "Language Models are Unsupervised
// Multitask Learners", 2019): printable Latin-1 bytes stand for themselves, the
// other 68 become U+0100, U+0101, … in order ("Ġ" is a space).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace seodang {

std::string spell_bytes(std::string_view bytes);

// The bytes that `spelling` stands for; nothing if it has a character outside
// the table.
std::optional<std::string> unspell_bytes(std::string_view spelling);

// The part ByteLevel of a tokenizer.json, as a decoder or post-processor.
inline constexpr const char* kByteLevelPart =
    R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,)"
    R"("use_regex":true})";

// All bytes in the order of their characters: the first 256 ids of a
// vocabulary.
const std::array<uint8_t, 256>& bytes_by_spelling();

}  // namespace seodang
