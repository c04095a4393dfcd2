// The tokens "<0x00>" to "<0xFF>" of vocabularies with byte fallback: a
// character that has no token is spelled with the bytes of its UTF-8 (Kudo and
// Richardson, "SentencePiece", 2018, and its option byte_fallback).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace seodang {

std::string token_of_byte(uint8_t byte);
std::optional<uint8_t> byte_of_token(std::string_view token);

}  // namespace seodang
