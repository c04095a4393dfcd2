// Reading by mapping, writing beside and renaming: no reader ever sees a
// half-written file, and a full disk leaves the old file as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace seodang {

// A whole file mapped read-only; unmapped when destroyed. Throws Error when the
// file is missing, unreadable or a directory. An empty file gives an empty
// span.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Takes the pages of a mapped range out of memory; read again, they come from
// the file. For what was copied and is not needed twice.
void forget_pages(std::span<const std::byte> mapped);

// The whole file as a string. Throws Error when it is missing or larger than
// `max_bytes` (a guard against naming a 100 GB file where a JSON is meant).
std::string read_file(const std::filesystem::path& path,
                      uint64_t max_bytes = uint64_t{1} << 32);

// A file that appears under its name only when commit() succeeds. Bytes go to
// `path` + ".tmp-<pid>"; commit() flushes, fsyncs and renames. Destroying it
// without commit() removes the temporary file. Every write error (full disk,
// quota, read-only) throws Error naming `path`.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  void flush();
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  std::string buffer_;
};

void write_file(const std::filesystem::path& path, std::string_view text);

// A directory that appears under its name only when commit() succeeds: fill
// path(), then commit() renames it over whatever stood there before. A reader
// sees the old directory or the new one, and after a crash one of both is
// there.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(std::filesystem::path path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
};

}  // namespace seodang
