// The safetensors format (huggingface/safetensors, README "Format"): 8 bytes
// little-endian header length, a JSON header, then the numbers. Files are
// hostile until proven otherwise: header ≤ 100 MB, every tensor inside the
// buffer with exactly the bytes its shape needs, no overlap, no hole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "tensor/tensor.h"

namespace seodang {

struct SafetensorsEntry {
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;
  // The mapped file's; a copy where the numbers do not lie aligned in it.
  std::span<const std::byte> data;
};

class SafetensorsFile {
 public:
  // Throws Error naming the file and what is wrong in it.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, SafetensorsEntry>& entries() const {
    return entries_;
  }
  const std::map<std::string, std::string>& metadata() const {
    return metadata_;
  }
  // The named tensor as a matrix (a vector is one row). Throws Error when it is
  // missing or its shape is not `shape`.
  Tensor tensor(const std::string& name,
                const std::vector<int64_t>& shape) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::vector<Buffer> aligned_;
  std::map<std::string, SafetensorsEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

struct SafetensorsItem {
  std::string name;
  std::vector<int64_t> shape;
  Tensor tensor;  // as many numbers as `shape` has, in rows
};

// Writes beside and renames. Items keep their order.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<SafetensorsItem>& items,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace seodang
