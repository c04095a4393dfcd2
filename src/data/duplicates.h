// Documents that are in the corpus already: the same text, or nearly the same.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/flat_hash_table.h"

namespace seodang {

// MinHash (Broder, "On the Resemblance and Containment of Documents", 1997):
// the share of equal entries of two signatures estimates the Jaccard similarity
// of the two documents' sets of shingles, with variance J (1 - J) / kMinHashes.
constexpr int kMinHashes = 128;
using MinHash = std::array<uint32_t, kMinHashes>;

// A shingle is five words in a row, case and punctuation aside (a document of
// fewer words is one shingle). A word is a run of letters and digits; in
// scripts written without spaces (Han, Kana, Thai ...) every letter is one. A
// text without words is one shingle.
// Words, not letters: texts that say the same of two countries differ in few
// letters, yet each is worth keeping.
constexpr int kShingleWords = 5;
std::vector<uint64_t> shingles(std::string_view text);  // sorted, unique

MinHash min_hash(std::string_view text);
double estimated_jaccard(const MinHash& a, const MinHash& b);

// Finds near duplicates by locality-sensitive hashing (Leskovec, Rajaraman and
// Ullman, "Mining of Massive Datasets", 3.4): signatures are cut into bands,
// and only documents that share a band are compared. Bands are as long as they
// may be while a pair at the threshold is still found with probability 0.99.
// Memory: 1.2 to 1.9 KB for each document added.
class NearDuplicates {
 public:
  explicit NearDuplicates(double threshold);  // (0, 1]

  // The id of an earlier document at least `threshold` similar to this one, or
  // -1 after adding this one under `id`.
  int64_t find_or_add(const MinHash& signature, int64_t id);

 private:
  double threshold_;
  int rows_, bands_;  // entries of a band, bands of a signature
  std::vector<MinHash> signatures_;
  std::vector<int64_t> ids_;
  FlatHashTable<uint32_t> of_band_;  // in signatures_, by a band's hash
};

}  // namespace seodang
