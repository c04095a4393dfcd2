// From a token's bytes to its id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// A flat hash table over `tokens`, which must outlive it. Empty tokens are
// left out; of equal ones the lowest id is found.
class TokenTable {
 public:
  explicit TokenTable(const std::vector<std::string>& tokens);
  int32_t find(std::string_view token) const;  // -1 if there is none

 private:
  struct Slot {
    uint32_t hash;
    int32_t id;  // -1: empty
  };
  const std::vector<std::string>& tokens_;
  std::vector<Slot> slots_;
};

}  // namespace seodang
