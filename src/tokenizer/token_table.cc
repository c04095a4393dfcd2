#include "tokenizer/token_table.h"

#include <functional>

namespace seodang {
namespace {

uint64_t hash_of(std::string_view token) {
  return std::hash<std::string_view>()(token);
}

}  // namespace

TokenTable::TokenTable(const std::vector<std::string>& tokens)
    : tokens_(tokens), ids_(tokens.size()) {
  for (size_t id = 0; id < tokens.size(); ++id)
    if (!tokens[id].empty() && find(tokens[id]) < 0)
      ids_.put(hash_of(tokens[id]), static_cast<int32_t>(id));
}

int32_t TokenTable::find(std::string_view token) const {
  const int32_t* const id = ids_.find(hash_of(token), [&](int32_t candidate) {
    return tokens_[static_cast<size_t>(candidate)] == token;
  });
  return id == nullptr ? -1 : *id;
}

}  // namespace seodang
