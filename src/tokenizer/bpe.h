// Byte-pair encoding of one word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace seodang {

// Which neighbours merge, how urgently, and into what: a flat hash table.
class MergeTable {
 public:
  struct Merge {
    int32_t rank, id;
  };
  static constexpr int32_t kNone = INT32_MAX;

  explicit MergeTable(size_t count = 0);
  void put(int32_t left, int32_t right, Merge merge);
  Merge get(int32_t left, int32_t right) const;  // rank kNone when they do not

 private:
  struct Slot {
    uint64_t key;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const;
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

// The model of a byte-level tokenizer: the lowest-ranked pair of neighbours is
// merged first, the leftmost of equals, until none is left. `tokens` must
// outlive it. Throws Error when a byte has no token or a merge makes none.
class Bpe {
 public:
  Bpe(const std::vector<std::string>& tokens,
      const std::vector<std::pair<int32_t, int32_t>>& merges,
      bool ignore_merges);

  // Appends the ids of `word`. Thread-safe; frequent words come from a cache
  // that each thread has.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

  // The id of the token with these bytes; -1 if there is none.
  int32_t find(std::string_view bytes) const;

 private:
  void encode_uncached(std::string_view word, std::vector<int32_t>& out) const;
  void merge_short(std::vector<int32_t>& symbols, size_t first) const;
  void merge_long(std::vector<int32_t>& symbols, size_t first) const;

  std::unordered_map<std::string_view, int32_t> ids_;
  int32_t byte_ids_[256];
  MergeTable merges_;
  bool ignore_merges_;
  uint64_t serial_;  // tells the words of one model from another's in the cache
};

}  // namespace seodang
