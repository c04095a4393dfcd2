// Hashes of contents (XXH3 of xxHash; not for adversaries: two contents collide
// by chance with probability 2^-128).
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace seodang {

struct Hash128 {
  uint64_t low = 0, high = 0;
  auto operator<=>(const Hash128&) const = default;  // NOLINT: its own zero
};
Hash128 hash_bytes(std::string_view bytes);
std::string to_hex(const Hash128& hash);  // 32 digits

// The hash of bytes that come one part after another.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  void add(const void* bytes, size_t size);
  Hash128 hash() const;  // of all that was added

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a file or directory holds, in hexadecimal: equal contents give equal
// fingerprints wherever and whenever they were written. Of a file: its bytes.
// Of a directory: the relative paths and bytes of all its regular files,
// leaving out what records how the work went and not what came of it:
// metrics.jsonl, training.json and checkpoint-*/. Throws Error when the path
// does not exist.
std::string fingerprint(const std::filesystem::path& path);

}  // namespace seodang
