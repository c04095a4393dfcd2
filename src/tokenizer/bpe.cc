#include "tokenizer/bpe.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <queue>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/byte_token.h"

namespace seodang {
namespace {

constexpr std::string_view kSpaceMark = "▁";

// Another one for each pair: multiplied by an odd number and with its high bits
// mixed into the low ones, the pair could be had back from it.
uint64_t hash_of(int32_t left, int32_t right) {
  const uint64_t pair = static_cast<uint64_t>(static_cast<uint32_t>(left))
                            << 32 |
                        static_cast<uint32_t>(right);
  const uint64_t hash = (pair + 1) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 32;
}

// Remembers what words became: one slot a hash, the latest word keeps it.
class WordCache {
 public:
  static constexpr size_t kMaxWord = 36, kMaxIds = 12;
  struct Entry {
    uint64_t serial = 0;
    uint8_t word_size = 0, count = 0;
    char word[kMaxWord];
    int32_t ids[kMaxIds];
  };

  Entry& slot(uint64_t serial, std::string_view word) {
    if (entries_.empty()) entries_.resize(kSlots);
    const uint64_t hash = std::hash<std::string_view>()(word) + serial;
    return entries_[hash % kSlots];
  }

 private:
  static constexpr size_t kSlots = 16381;  // prime; 1.8 MB a thread
  std::vector<Entry> entries_;
};

}  // namespace

void MergeTable::put(int32_t left, int32_t right, Merge merge) {
  merges_.put(hash_of(left, right), merge);
}

MergeTable::Merge MergeTable::get(int32_t left, int32_t right) const {
  const Merge* const merge =
      merges_.find(hash_of(left, right), [](const Merge&) { return true; });
  return merge == nullptr ? Merge{kNone, 0} : *merge;
}

Bpe::Bpe(const TokenizerSpec& spec)
    : table_(spec.tokens),
      special_(spec.tokens.size()),
      merges_(spec.merges.size()),
      byte_level_(spec.byte_level),
      ignore_merges_(spec.ignore_merges),
      byte_fallback_(spec.byte_fallback),
      fuse_unk_(spec.fuse_unk) {
  static std::atomic<uint64_t> models{0};
  serial_ = ++models;
  for (const AddedToken& token : spec.added_tokens)
    special_[token.id] = token.special;
  if (!spec.unk_token.empty()) {
    unk_id_ = find(spec.unk_token);
    if (unk_id_ < 0)
      throw Error("unk_token \"{}\" is not in the vocabulary", spec.unk_token);
  }
  read_bytes(spec);
  read_merges(spec);
}

void Bpe::read_bytes(const TokenizerSpec& spec) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_ids_[byte] = spec.byte_level
                          ? find_ordinary(std::string_view(&c, 1))
                          : find(token_of_byte(static_cast<uint8_t>(byte)));
    if (spec.byte_level && byte_ids_[byte] < 0)
      throw Error("vocabulary has no token for byte 0x{:02X}", byte);
  }
}

void Bpe::read_merges(const TokenizerSpec& spec) {
  // Unknown characters are fused across words, so none may be unknown.
  cuts_at_spaces_ =
      !byte_level_ && !ignore_merges_ && byte_fallback_ &&
      std::find(byte_ids_, byte_ids_ + 256, -1) == byte_ids_ + 256;
  std::string made;
  // Of equal pairs the last one counts, as in Hugging Face's library: the first
  // that is put is the one that is found.
  for (size_t rank = spec.merges.size(); rank-- > 0;) {
    const auto [left, right] = spec.merges[rank];
    (made = spec.tokens[left]) += spec.tokens[right];
    const int32_t id = find(made);
    if (id < 0) throw Error("merge {} makes no token of the vocabulary", rank);
    if (special_[id]) continue;
    merges_.put(left, right, {static_cast<int32_t>(rank), id});
    if (!spec.tokens[left].ends_with(kSpaceMark) &&
        spec.tokens[right].starts_with(kSpaceMark))
      cuts_at_spaces_ = false;
  }
}

int32_t Bpe::find_ordinary(std::string_view token) const {
  const int32_t id = find(token);
  return id >= 0 && special_[id] ? -1 : id;
}

void Bpe::encode(std::string_view text, std::vector<int32_t>& out) const {
  // Without a pre-tokenizer a word may be a whole document.
  while (cuts_at_spaces_) {
    const size_t space = text.find_first_not_of(kSpaceMark);
    const size_t next =
        space == text.npos ? space : text.find(kSpaceMark, space);
    if (next == text.npos) break;
    encode_word(text.substr(0, next), out);
    text.remove_prefix(next);
  }
  encode_word(text, out);
}

void Bpe::encode_word(std::string_view word, std::vector<int32_t>& out) const {
  if (word.size() > WordCache::kMaxWord) {
    encode_uncached(word, out);
    return;
  }
  static thread_local WordCache cache;
  WordCache::Entry& entry = cache.slot(serial_, word);
  if (entry.serial == serial_ && entry.word_size == word.size() &&
      std::memcmp(entry.word, word.data(), word.size()) == 0) {
    out.insert(out.end(), entry.ids, entry.ids + entry.count);
    return;
  }
  const size_t first = out.size();
  encode_uncached(word, out);
  const size_t count = out.size() - first;
  if (count > WordCache::kMaxIds) return;
  entry.serial = serial_;
  entry.word_size = static_cast<uint8_t>(word.size());
  entry.count = static_cast<uint8_t>(count);
  std::copy(word.begin(), word.end(), entry.word);
  std::copy(out.begin() + first, out.end(), entry.ids);
}

void Bpe::encode_uncached(std::string_view word,
                          std::vector<int32_t>& out) const {
  if (ignore_merges_) {
    if (const int32_t id = find_ordinary(word); id >= 0) {
      out.push_back(id);
      return;
    }
  }
  const size_t first = out.size();
  spell(word, out);
  constexpr size_t kShort = 64;
  // Of characters that the vocabulary cannot spell nothing may be left.
  if (out.size() - first < 2) return;
  if (out.size() - first <= kShort)
    merge_short(out, first);
  else
    merge_long(out, first);
}

// One id for each byte, or for each character.
void Bpe::spell(std::string_view word, std::vector<int32_t>& out) const {
  if (byte_level_) {
    for (char byte : word) out.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    return;
  }
  bool after_unknown = false;
  while (!word.empty()) {
    const std::string_view one = word.substr(0, utf8_character_size(word));
    word.remove_prefix(one.size());
    auto has_id = [&](char byte) {
      return byte_ids_[static_cast<uint8_t>(byte)] >= 0;
    };
    const int32_t id = find_ordinary(one);
    const bool unknown =
        id < 0 &&
        !(byte_fallback_ && std::all_of(one.begin(), one.end(), has_id));
    if (id >= 0) {
      out.push_back(id);
    } else if (!unknown) {
      for (char byte : one)
        out.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    } else if (unk_id_ >= 0 && !(fuse_unk_ && after_unknown)) {
      out.push_back(unk_id_);
    }
    after_unknown = unknown;
  }
}

// Looks at every pair after every merge; for words this is faster than a queue.
void Bpe::merge_short(std::vector<int32_t>& symbols, size_t first) const {
  int32_t* const ids = symbols.data() + first;
  size_t size = symbols.size() - first;
  MergeTable::Merge pairs[64] = {};
  auto look = [&](size_t i) {
    pairs[i] = i + 1 < size ? merges_.get(ids[i], ids[i + 1])
                            : MergeTable::Merge{MergeTable::kNone, 0};
  };
  for (size_t i = 0; i < size; ++i) look(i);
  for (;;) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < size; ++i)
      if (pairs[i].rank < pairs[best].rank) best = i;
    if (pairs[best].rank == MergeTable::kNone) break;
    ids[best] = pairs[best].id;
    --size;
    for (size_t i = best + 1; i < size; ++i) {
      ids[i] = ids[i + 1];
      pairs[i] = pairs[i + 1];
    }
    look(best);
    if (best > 0) look(best - 1);
  }
  symbols.resize(first + size);
}

// A queue of candidate merges over a linked list: n log n.
void Bpe::merge_long(std::vector<int32_t>& symbols, size_t first) const {
  struct Candidate {
    int32_t rank;
    uint32_t at;
    int32_t left, right, id;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const size_t size = symbols.size() - first;
  if (size >= UINT32_MAX) throw Error("a word of {} bytes is too long", size);
  int32_t* const ids = symbols.data() + first;
  constexpr int32_t kGone = -1;
  std::vector<uint32_t> next(size), previous(size);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto end = static_cast<uint32_t>(size);
  auto consider = [&](uint32_t at) {
    if (next[at] == end) return;
    const MergeTable::Merge merge = merges_.get(ids[at], ids[next[at]]);
    if (merge.rank != MergeTable::kNone)
      queue.push({merge.rank, at, ids[at], ids[next[at]], merge.id});
  };
  for (uint32_t i = 0; i < end; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (uint32_t i = 0; i < end; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    if (ids[top.at] != top.left || next[top.at] == end ||
        ids[next[top.at]] != top.right)
      continue;  // one of the two has merged with another since
    const uint32_t eaten = next[top.at];
    ids[top.at] = top.id;
    ids[eaten] = kGone;
    next[top.at] = next[eaten];
    if (next[eaten] != end) previous[next[eaten]] = top.at;
    consider(top.at);
    if (top.at > 0) consider(previous[top.at]);
  }
  symbols.erase(std::remove(symbols.begin() + first, symbols.end(), kGone),
                symbols.end());
}

}  // namespace seodang
