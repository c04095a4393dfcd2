// Counter-based random numbers (Philox 4x32-10; Salmon et al., "Parallel Random
// Numbers: As Easy as 1, 2, 3", SC 2011): the n-th number of a stream is a pure
// function of (seed, stream, n), so any thread, any order and any restart draws
// the same numbers.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

namespace seodang {

class Rng {
 public:
  // Different `stream` values give independent sequences for the same seed.
  explicit Rng(uint64_t seed, uint64_t stream = 0)
      : seed_(seed), stream_(stream) {}

  uint64_t next();             // uniform on all 64-bit values
  uint64_t below(uint64_t n);  // uniform on [0, n), unbiased; n > 0
  double uniform();            // uniform on [0, 1)
  double normal();             // mean 0, variance 1 (Box-Muller)

  // The position in the stream: save it, and seek() continues from there.
  uint64_t position() const { return counter_; }
  void seek(uint64_t position) { counter_ = position; }

  template <class T>
  void shuffle(std::span<T> items) {  // Fisher-Yates
    for (size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t seed_, stream_, counter_ = 0;
};

// A 64-bit hash that mixes all bits (the finalizer of splitmix64), for deriving
// a seed or stream from several numbers.
inline uint64_t mix_bits(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}
inline uint64_t mix_bits(uint64_t a, uint64_t b) {
  return mix_bits(mix_bits(a) ^ b);
}

}  // namespace seodang
