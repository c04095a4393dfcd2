// A hash table with open addressing (Knuth, "The Art of Computer Programming",
// volume 3, 6.4, algorithm L): flat memory, for values that are looked up many
// million times.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace seodang {

// Values under 64-bit hashes, which the caller makes and whose low bits have to
// be mixed well. Several values may have one hash. At most half full.
template <class Value>
class FlatHashTable {
 public:
  explicit FlatHashTable(size_t expected = 0)
      : slots_(std::bit_ceil(2 * expected + 2)) {}

  // The first value that was put under `hash` and for which is_it(value) holds;
  // nullptr when there is none.
  template <class IsIt>
  const Value* find(uint64_t hash, IsIt&& is_it) const {
    hash = marked(hash);
    for (size_t at = hash & mask(); slots_[at].hash != kFree;
         at = (at + 1) & mask())
      if (slots_[at].hash == hash && is_it(slots_[at].value))
        return &slots_[at].value;
    return nullptr;
  }

  void put(uint64_t hash, Value value) {
    if (2 * ++count_ > slots_.size()) grow();
    place({marked(hash), std::move(value)});
  }

 private:
  static constexpr uint64_t kFree = 0;
  struct Slot {
    uint64_t hash = kFree;
    Value value = {};
  };

  static uint64_t marked(uint64_t hash) { return hash == kFree ? 1 : hash; }
  size_t mask() const { return slots_.size() - 1; }

  void place(Slot slot) {
    size_t at = slot.hash & mask();
    while (slots_[at].hash != kFree) at = (at + 1) & mask();
    slots_[at] = std::move(slot);
  }

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (Slot& slot : old)
      if (slot.hash != kFree) place(std::move(slot));
  }

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace seodang
