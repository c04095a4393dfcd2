#include "data/duplicates.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/rng.h"
#include "kernels/min_hash.h"

namespace seodang {
namespace {

// A letter that is a word by itself, as its script does not part words.
bool stands_alone(UChar32 letter) {
  UErrorCode status = U_ZERO_ERROR;
  switch (uscript_getScript(letter, &status)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
      return true;
    default:
      return false;
  }
}

// One hash a word; letter case does not count.
std::vector<uint64_t> word_hashes(std::string_view text) {
  constexpr UChar32 kFirstAlone = 0x0E00;  // Thai
  std::vector<uint64_t> words;
  uint64_t hash = 0;
  const auto end_word = [&] {
    if (hash != 0) words.push_back(hash);
    hash = 0;
  };
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    UChar32 letter = 0;
    U8_NEXT(text.data(), i, size, letter);
    const bool ascii = letter < 0x80;
    const bool in_word =
        ascii ? (letter >= '0' && letter <= '9') ||
                    ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z')
              : letter >= 0 && (u_isalnum(letter) || u_isUAlphabetic(letter));
    if (!in_word) {
      end_word();
      continue;
    }
    const bool alone = letter >= kFirstAlone && stands_alone(letter);
    if (alone) end_word();
    hash = mix_bits(hash, ascii && letter >= 'A' && letter <= 'Z'
                              ? letter | 0x20
                              : u_tolower(letter));
    if (alone) end_word();
  }
  end_word();
  return words;
}

// In the order of the text, as often as they occur.
std::vector<uint64_t> all_shingles(std::string_view text) {
  const std::vector<uint64_t> words = word_hashes(text);
  const size_t length = std::min<size_t>(kShingleWords, words.size());
  if (length == 0) return {hash_bytes(text).low};
  std::vector<uint64_t> out;
  out.reserve(words.size() - length + 1);
  for (size_t i = 0; i + length <= words.size(); ++i) {
    uint64_t hash = 0;
    for (size_t j = 0; j < length; ++j) hash = mix_bits(hash, words[i + j]);
    out.push_back(hash);
  }
  return out;
}

}  // namespace

std::vector<uint64_t> shingles(std::string_view text) {
  std::vector<uint64_t> out = all_shingles(text);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

MinHash min_hash(std::string_view text) {
  static const MinHash kSeeds = [] {
    MinHash seeds;
    for (int i = 0; i < kMinHashes; ++i)
      seeds[i] = static_cast<uint32_t>(mix_bits(i + 1));
    return seeds;
  }();
  const std::vector<uint64_t> found = all_shingles(text);
  std::vector<uint32_t> set(found.size());
  std::ranges::transform(found, set.begin(), [](uint64_t shingle) {
    return static_cast<uint32_t>(shingle);
  });
  MinHash least;
  min_hashes(least, kSeeds, set);
  return least;
}

double estimated_jaccard(const MinHash& a, const MinHash& b) {
  int equal = 0;
  for (int i = 0; i < kMinHashes; ++i) equal += a[i] == b[i];
  return static_cast<double>(equal) / kMinHashes;
}

NearDuplicates::NearDuplicates(double threshold)
    : threshold_(threshold), rows_(1) {
  constexpr double kFound = 0.99;
  const auto found = [&](int rows) {
    return 1 - std::pow(1 - std::pow(threshold, rows), kMinHashes / rows);
  };
  while (rows_ < kMinHashes && found(rows_ + 1) >= kFound) ++rows_;
  bands_ = kMinHashes / rows_;
}

int64_t NearDuplicates::find_or_add(const MinHash& signature, int64_t id) {
  std::vector<uint64_t> hashes(bands_);
  for (int band = 0; band < bands_; ++band) {
    hashes[band] = band;
    for (int row = 0; row < rows_; ++row)
      hashes[band] = mix_bits(hashes[band], signature[band * rows_ + row]);
    const uint32_t* const earlier =
        of_band_.find(hashes[band], [&](uint32_t index) {
          return estimated_jaccard(signatures_[index], signature) >= threshold_;
        });
    if (earlier != nullptr) return ids_[*earlier];
  }
  const auto index = static_cast<uint32_t>(signatures_.size());
  signatures_.push_back(signature);
  ids_.push_back(id);
  for (const uint64_t hash : hashes) of_band_.put(hash, index);
  return -1;
}

}  // namespace seodang
