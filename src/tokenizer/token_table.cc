#include "tokenizer/token_table.h"

#include <bit>
#include <functional>

namespace seodang {
namespace {

uint32_t hash_of(std::string_view token) {
  const uint64_t hash = std::hash<std::string_view>()(token);
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

}  // namespace

TokenTable::TokenTable(const std::vector<std::string>& tokens)
    : tokens_(tokens), slots_(std::bit_ceil(2 * tokens.size() + 2), {0, -1}) {
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty() || find(tokens[id]) >= 0) continue;
    const uint32_t hash = hash_of(tokens[id]);
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].id >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, static_cast<int32_t>(id)};
  }
}

int32_t TokenTable::find(std::string_view token) const {
  const uint32_t hash = hash_of(token);
  for (size_t at = hash & (slots_.size() - 1); slots_[at].id >= 0;
       at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].hash == hash && tokens_[slots_[at].id] == token)
      return slots_[at].id;
  return -1;
}

}  // namespace seodang
