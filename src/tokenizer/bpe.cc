#include "tokenizer/bpe.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <queue>

#include "base/error.h"

namespace seodang {
namespace {

constexpr uint64_t kEmpty = ~uint64_t{0};

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
         static_cast<uint32_t>(right);
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

MergeTable::MergeTable(size_t count)
    : slots_(std::bit_ceil(2 * count + 2), Slot{kEmpty, {kNone, 0}}),
      mask_(slots_.size() - 1) {}

size_t MergeTable::slot_of(uint64_t key) const {
  size_t slot = (key * 0x9E3779B97F4A7C15u >> 20) & mask_;
  while (slots_[slot].key != kEmpty && slots_[slot].key != key)
    slot = (slot + 1) & mask_;
  return slot;
}

void MergeTable::put(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = pair_key(left, right);
  slots_[slot_of(key)] = {key, merge};
}

MergeTable::Merge MergeTable::get(int32_t left, int32_t right) const {
  return slots_[slot_of(pair_key(left, right))].merge;
}

Bpe::Bpe(const std::vector<std::string>& tokens,
         const std::vector<std::pair<int32_t, int32_t>>& merges,
         bool ignore_merges)
    : merges_(merges.size()), ignore_merges_(ignore_merges) {
  static std::atomic<uint64_t> models{0};
  serial_ = ++models;
  ids_.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id)
    if (!tokens[id].empty()) ids_.emplace(tokens[id], static_cast<int32_t>(id));
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_ids_[byte] = find(std::string_view(&c, 1));
    if (byte_ids_[byte] < 0)
      throw Error("vocabulary has no token for byte 0x{:02X}", byte);
  }
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right] = merges[rank];
    const int32_t id = find(tokens[left] + tokens[right]);
    if (id < 0) throw Error("merge {} makes no token of the vocabulary", rank);
    merges_.put(left, right, {static_cast<int32_t>(rank), id});
  }
}

int32_t Bpe::find(std::string_view bytes) const {
  const auto found = ids_.find(bytes);
  return found == ids_.end() ? -1 : found->second;
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& out) const {
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
    if (const int32_t id = find(word); id >= 0) {
      out.push_back(id);
      return;
    }
  }
  const size_t first = out.size();
  for (char byte : word) out.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
  constexpr size_t kShort = 64;
  if (word.size() <= kShort)
    merge_short(out, first);
  else
    merge_long(out, first);
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
