// The GGUF format, versions 2 and 3, little-endian (ggml, docs/gguf.md): typed
// metadata, a table of tensors, then their numbers. A model may lie in several
// shards, NAME-00001-of-0000N.gguf and so on. Files are hostile until
// proven otherwise: every count, length, offset and shape is checked against
// the bytes there are before it is used, and no two tensors share a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "tensor/tensor.h"

namespace seodang {

// As the file numbers them.
enum class GgufType : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

// One value, or an array of one type.
struct GgufValue {
  GgufType type = GgufType::u32;  // of each element
  bool is_array = false;
  // The elements, in the one list that fits the type; one when no array. Of an
  // array of arrays (type is array) none are kept: no key that is read is one.
  std::vector<int64_t> integers;  // booleans too; u64 as the same 64 bits
  std::vector<double> reals;
  std::vector<std::string> strings;

  static GgufValue u32(uint32_t value);
  static GgufValue f32(double value);
  static GgufValue boolean(bool value);
  static GgufValue string(std::string value);
  static GgufValue array(std::vector<std::string> values);
  static GgufValue i32_array(std::vector<int64_t> values);
  static GgufValue f32_array(std::vector<double> values);
};

struct GgufTensor {
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;       // rows first, as in safetensors
  std::span<const std::byte> data;  // the mapped file's
};

class GgufFile {
 public:
  // Any shard of a model opens them all. Throws Error naming the
  // file, the key or tensor, and what is wrong in it.
  explicit GgufFile(const std::filesystem::path& path);

  // Of several shards the first.
  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

  // The value of a key; nullptr, or the fallback, when the key is absent.
  // Throws Error when it is of another kind, a u64 over INT64_MAX, or absent
  // without a fallback.
  const GgufValue* find(const std::string& key) const;
  std::string text(const std::string& key,
                   const std::optional<std::string>& fallback = {}) const;
  int64_t integer(const std::string& key,
                  std::optional<int64_t> fallback = {}) const;
  double real(const std::string& key,
              std::optional<double> fallback = {}) const;
  bool flag(const std::string& key, bool fallback) const;
  // The elements of an array; empty when it is absent.
  const std::vector<std::string>& texts(const std::string& key) const;
  const std::vector<int64_t>& integers(const std::string& key) const;
  const std::vector<double>& reals(const std::string& key) const;

  // The named tensor as a matrix (a vector is one row). Throws Error when it is
  // missing or its shape is not `shape`.
  Tensor tensor(const std::string& name,
                const std::vector<int64_t>& shape) const;

 private:
  using Metadata = std::map<std::string, GgufValue>;
  // The metadata of one more file, whose tensors are added to tensors_.
  Metadata add(const std::filesystem::path& path);
  void add_shards(int64_t count);
  const GgufValue* scalar(const std::string& key, const char* kind,
                          bool required) const;

  std::filesystem::path path_;
  std::deque<MappedFile> files_;
  Metadata metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

struct GgufItem {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;  // rows first; the last one in whole blocks
};

using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;

// Writes version 3 beside and renames: first all that is known, then the
// tensors' bytes in the order of the items, so that no more than one tensor
// need be in memory.
class GgufWriter {
 public:
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
             std::vector<GgufItem> items);
  // The next bytes: of one tensor, whole or in pieces.
  void write(std::span<const std::byte> bytes);
  // Throws std::logic_error when a tensor is still missing.
  void commit();

 private:
  AtomicFile file_;
  std::vector<GgufItem> items_;
  size_t at_ = 0;         // the tensor that is being written
  uint64_t written_ = 0;  // bytes of it
};

}  // namespace seodang
