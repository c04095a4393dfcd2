#include "base/hash.h"

#include <gtest/gtest.h>

namespace seodang {
namespace {

TEST(Hash, IsXxh3) {
  // xxHash's own `printf '' | xxhsum -H2`.
  EXPECT_EQ(to_hex(hash_bytes("")), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, OfPartsIsThatOfTheWhole) {
  const std::string text(10000, 'x');
  for (const size_t part : {1, 7, 1000}) {
    Hasher hasher;
    for (size_t at = 0; at < text.size(); at += part)
      hasher.add(text.data() + at, std::min(part, text.size() - at));
    EXPECT_EQ(hasher.hash(), hash_bytes(text));
  }
}

}  // namespace
}  // namespace seodang
