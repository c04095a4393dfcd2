// Byte-pair encoding of one word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_hash_table.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// Which neighbours merge, how urgently, and into what.
class MergeTable {
 public:
  struct Merge {
    int32_t rank, id;
  };
  static constexpr int32_t kNone = INT32_MAX;

  explicit MergeTable(size_t count = 0) : merges_(count) {}
  void put(int32_t left, int32_t right, Merge merge);
  Merge get(int32_t left, int32_t right) const;  // rank kNone when they do not

 private:
  FlatHashTable<Merge> merges_;
};

// The model of a tokenizer: a word is taken apart into its bytes (byte level)
// or characters, and the lowest-ranked pair of neighbours is merged first, the
// leftmost of equals, until none is left. Special tokens never come out of it.
class Bpe {
 public:
  // `spec` must outlive it. Throws Error when a byte has no token (byte level)
  // or a merge makes none.
  explicit Bpe(const TokenizerSpec& spec);

  // Appends the ids of `word`, which is not empty. Thread-safe; frequent words
  // come from a cache that each thread has.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

  // The id of a token as TokenizerSpec spells it; -1 if there is none.
  int32_t find(std::string_view token) const { return table_.find(token); }

 private:
  int32_t find_ordinary(std::string_view token) const;
  void read_bytes(const TokenizerSpec& spec);
  void read_merges(const TokenizerSpec& spec);
  void encode_word(std::string_view word, std::vector<int32_t>& out) const;
  void encode_uncached(std::string_view word, std::vector<int32_t>& out) const;
  void spell(std::string_view word, std::vector<int32_t>& out) const;
  void merge_short(std::vector<int32_t>& symbols, size_t first) const;
  void merge_long(std::vector<int32_t>& symbols, size_t first) const;

  TokenTable table_;
  std::vector<bool> special_;
  int32_t byte_ids_[256];  // -1: no token
  int32_t unk_id_ = -1;
  MergeTable merges_;
  bool byte_level_, ignore_merges_, byte_fallback_, fuse_unk_;
  bool cuts_at_spaces_ = false;  // no merge crosses from a word to "▁"
  uint64_t serial_;  // tells the words of one model from another's in the cache
};

}  // namespace seodang
