// The bytes of a file, decompressed by its name's ending.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace seodang {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the front of `out`; returns how many bytes, 0 at the end. Throws
  // Error naming the file when reading fails or the compressed stream is
  // damaged or ends too early.
  virtual size_t read(std::span<char> out) = 0;
};

// .gz (also of several members), .zst (also of several frames), else as is.
// Throws Error for the formats of tables that are no text (Parquet, Arrow,
// Excel), with the command that converts them.
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path);

}  // namespace seodang
