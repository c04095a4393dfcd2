// From a token's bytes to its id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_hash_table.h"

namespace seodang {

// The ids of `tokens`, which must outlive it. Empty tokens are left out; of
// equal ones the lowest id is found.
class TokenTable {
 public:
  explicit TokenTable(const std::vector<std::string>& tokens);
  int32_t find(std::string_view token) const;  // -1 if there is none

 private:
  const std::vector<std::string>& tokens_;
  FlatHashTable<int32_t> ids_;
};

}  // namespace seodang
