#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <new>
#include <vector>

#include "base/files.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

Hash128 of(const XXH128_hash_t& hash) { return {hash.low64, hash.high64}; }

bool is_record(const fs::path& relative) {
  const std::string top = relative.begin()->string();
  return top == "metrics.jsonl" || top == "training.json" ||
         top.starts_with("checkpoint-");
}

}  // namespace

Hash128 hash_bytes(std::string_view bytes) {
  return of(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string to_hex(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

struct Hasher::State {
  State() : xxh3(XXH3_createState()) {
    if (xxh3 == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(xxh3);
  }
  ~State() { XXH3_freeState(xxh3); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* xxh3;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;

void Hasher::add(const void* bytes, size_t size) {
  XXH3_128bits_update(state_->xxh3, bytes, size);
}

Hash128 Hasher::hash() const { return of(XXH3_128bits_digest(state_->xxh3)); }

std::string fingerprint(const fs::path& path) {
  if (!fs::is_directory(path))
    return to_hex(hash_bytes(MappedFile(path).text()));
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const fs::path relative = entry.path().lexically_relative(path);
    if (entry.is_regular_file() && !is_record(relative))
      files.push_back(relative);
  }
  std::sort(files.begin(), files.end());
  std::string listing;
  for (const fs::path& file : files)
    listing += file.generic_string() + '\0' + fingerprint(path / file);
  return to_hex(hash_bytes(listing));
}

}  // namespace seodang
