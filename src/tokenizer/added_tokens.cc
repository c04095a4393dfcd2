#include "tokenizer/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>

#include "base/utf8.h"

namespace seodang {
namespace {

// A letter, mark, decimal digit or joiner (Unicode Technical Standard 18,
// annex C: \w).
bool is_word(char32_t c) {
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

bool is_space(char32_t c) { return u_isUWhiteSpace(c); }

// Where the last character of text[0, end) begins.
size_t last_character(std::string_view text, size_t end) {
  do {
    --end;
  } while (end > 0 && (text[end] & 0xC0) == 0x80);
  return end;
}

bool is_part_of_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0) {
    const size_t before = last_character(text, begin);
    if (is_word(decode_utf8(text.substr(before, begin - before)))) return true;
  }
  const size_t size = utf8_character_size(text.substr(end));
  return size > 0 && is_word(decode_utf8(text.substr(end, size)));
}

size_t skip_spaces_left(std::string_view text, size_t begin) {
  while (begin > 0) {
    const size_t before = last_character(text, begin);
    if (!is_space(decode_utf8(text.substr(before, begin - before)))) break;
    begin = before;
  }
  return begin;
}

size_t skip_spaces_right(std::string_view text, size_t end) {
  while (end < text.size()) {
    const size_t size = utf8_character_size(text.substr(end));
    if (!is_space(decode_utf8(text.substr(end, size)))) break;
    end += size;
  }
  return end;
}

}  // namespace

void AddedTokenFinder::add(std::string text, const AddedToken& token) {
  if (text.empty()) return;  // a normalizer may leave nothing
  auto& sizes = sizes_[static_cast<uint8_t>(text[0])];
  const auto place = std::lower_bound(sizes.begin(), sizes.end(), text.size(),
                                      std::greater<>());
  begins_token_[static_cast<uint8_t>(text[0])] = true;
  if (place == sizes.end() || *place != text.size())
    sizes.insert(place, text.size());
  tokens_.emplace(std::move(text), &token);
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text,
                                               size_t& size) const {
  for (const size_t candidate : sizes_[static_cast<uint8_t>(text[0])]) {
    if (candidate > text.size()) continue;
    const auto found = tokens_.find(text.substr(0, candidate));
    if (found == tokens_.end()) continue;
    size = candidate;
    return found->second;
  }
  return nullptr;
}

void AddedTokenFinder::split(std::string_view text, const IsParsed& is_parsed,
                             const Piece& piece) const {
  size_t done = 0;
  for (size_t at = 0, size = 0; at < text.size();) {
    const AddedToken* const token =
        begins_token_[static_cast<uint8_t>(text[at])]
            ? longest_at(text.substr(at), size)
            : nullptr;
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at += size;
    if (token->special && !is_parsed(begin)) continue;
    if (token->single_word && is_part_of_word(text, begin, end)) continue;
    if (token->lstrip) begin = std::max(done, skip_spaces_left(text, begin));
    if (token->rstrip) end = skip_spaces_right(text, end);
    if (done < begin) piece(text.substr(done, begin - done), nullptr);
    piece(text.substr(begin, end - begin), token);
    done = end;
  }
  if (done < text.size()) piece(text.substr(done), nullptr);
}

std::vector<size_t> AddedTokenFinder::special_offsets(
    std::string_view text) const {
  std::vector<size_t> out;
  for (size_t at = 0; at < text.size(); ++at)
    for (const size_t size : sizes_[static_cast<uint8_t>(text[at])])
      if (const auto found = tokens_.find(text.substr(at, size));
          found != tokens_.end() && found->second->special) {
        out.push_back(at);
        break;
      }
  return out;
}

}  // namespace seodang
