// Prepared corpora on disk: token ids in files that are mapped, not read.
//
// DIR/index.json   {"format": "seodang-shards", "version": 1, "vocab_size": …,
//                   "tokenizer": "…" (vocabulary_hash),
//                   "train": {"files": […], "documents": …, "tokens": …,
//                             "hash": "…" (of all documents)},
//                   "validation": {…}}
// DIR/train-00000.bin …, little-endian:
//   16 bytes   "SEODANG1", u32 bytes per token (2 or 4), u32 vocab_size
//   tokens     u16 when vocab_size <= 65536, else u32; zeros up to 8 bytes
//   offsets    u64 (documents + 1): where each document begins, in tokens
//   24 bytes   u64 documents, u64 tokens, "SEODANG1"
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace seodang {

class Tokenizer;

// A hash of every token of the vocabulary, in hexadecimal.
std::string vocabulary_hash(const Tokenizer& tokenizer);

// The documents of one split ("train" or "validation"), in the order they were
// written. A document is <bos> tokens <eos>. Cheap to copy: copies share the
// mapping.
class TokenShards {
 public:
  // Checks everything that is read later: sizes, offsets, ids < vocab_size.
  // Throws Error naming the file when something is missing or damaged. A split
  // without documents is fine.
  static TokenShards open(const std::filesystem::path& dir,
                          const std::string& split);

  // What all splits in `dir` hold, by the hashes that index.json has.
  static std::string fingerprint(const std::filesystem::path& dir);

  int64_t num_documents() const;
  int64_t num_tokens() const;
  int32_t vocab_size() const;
  // Throws UsageError unless the shards were written with this tokenizer.
  void check_made_with(const Tokenizer& tokenizer) const;

  int64_t document_length(int64_t document) const;  // in tokens, > 0
  // Copies tokens [begin, begin + out.size()) of a document.
  void copy_tokens(int64_t document, int64_t begin,
                   std::span<int32_t> out) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Writes one split, shard after shard.
class ShardWriter {
 public:
  ShardWriter(std::filesystem::path dir, std::string split, int32_t vocab_size,
              int64_t max_shard_tokens = int64_t{1} << 28);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  void add(std::span<const int32_t> document);  // not empty, ids < vocab_size
  void finish();                                // the last shard

  int32_t vocab_size() const;
  const std::vector<std::string>& files() const;  // names in `dir`
  int64_t num_documents() const;
  int64_t num_tokens() const;
  std::string hash() const;  // of all documents, in hexadecimal

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// DIR/index.json, from which TokenShards::open starts.
void write_shard_index(const std::filesystem::path& dir,
                       const std::string& vocabulary_hash,
                       const ShardWriter& train, const ShardWriter& validation);

}  // namespace seodang
