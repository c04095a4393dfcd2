// Least hashes of a set under many hash functions (Broder, "On the Resemblance
// and Containment of Documents", 1997).
#pragma once

#include <cstdint>
#include <span>

namespace seodang {

// least[i] = the least h(x ^ seeds[i]) of all x in `set`, or 2³² - 1 of an
// empty one; h is the 32-bit finalizer of MurmurHash3 (Appleby, 2011). What
// occurs twice counts once. As many `least` as `seeds`.
void min_hashes(std::span<uint32_t> least, std::span<const uint32_t> seeds,
                std::span<const uint32_t> set);

}  // namespace seodang
