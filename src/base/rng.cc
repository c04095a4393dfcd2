#include "base/rng.h"

#include <cmath>
#include <numbers>

namespace seodang {

uint64_t Rng::next() {
  // Salmon et al., 2011, section 3.3 and table 2: ten rounds, Weyl key
  // schedule.
  const uint64_t n = counter_++;
  uint32_t x0 = static_cast<uint32_t>(n), x1 = static_cast<uint32_t>(n >> 32);
  uint32_t x2 = static_cast<uint32_t>(stream_),
           x3 = static_cast<uint32_t>(stream_ >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed_),
           k1 = static_cast<uint32_t>(seed_ >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * x0;
    const uint64_t p1 = uint64_t{0xCD9E8D57} * x2;
    x0 = static_cast<uint32_t>(p1 >> 32) ^ x1 ^ k0;
    x1 = static_cast<uint32_t>(p1);
    x2 = static_cast<uint32_t>(p0 >> 32) ^ x3 ^ k1;
    x3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return (uint64_t{x1} << 32) | x0;
}

uint64_t Rng::below(uint64_t n) {
  // Rejects the incomplete last interval, so that no value is favoured.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t value = next();
  while (value >= limit) value = next();
  return value % n;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double Rng::normal() {
  const double u = 1.0 - uniform();  // (0, 1]: the logarithm is finite
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace seodang
