#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferBytes = size_t{1} << 20;

std::string reason() { return std::strerror(errno); }

fs::path beside(const fs::path& path, const char* kind) {
  fs::path out = path;
  out += fmt::format(".{}-{}", kind, ::getpid());
  return out;
}

// Without this a rename may be lost when the machine, not only the program,
// dies.
void sync_directory(const fs::path& directory) {
  const int descriptor = ::open(directory.empty() ? "." : directory.c_str(),
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    throw Error("{}: cannot open: {}", path.string(), reason());
  struct stat status {};
  const bool ok = ::fstat(descriptor, &status) == 0;
  if (!ok || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw Error("{}: not a regular file", path.string());
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    void* mapped =
        ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapped == MAP_FAILED) {
      const std::string why = reason();
      ::close(descriptor);
      throw Error("{}: cannot map {} bytes: {}", path.string(), size_, why);
    }
    data_ = static_cast<const std::byte*>(mapped);
  }
  ::close(descriptor);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void forget_pages(std::span<const std::byte> mapped) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data());
  const size_t before = (page - begin % page) % page;  // of a page in part
  if (mapped.size() < before + page) return;
  const size_t whole = (mapped.size() - before) / page * page;
  ::madvise(const_cast<std::byte*>(mapped.data()) + before, whole,
            MADV_DONTNEED);
}

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  const MappedFile file(path);
  if (file.bytes().size() > max_bytes)
    throw Error("{}: {} bytes, more than the {} expected here", path.string(),
                file.bytes().size(), max_bytes);
  return std::string(file.text());
}

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)), temporary_(beside(path_, "tmp")) {
  descriptor_ = ::open(temporary_.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw Error("{}: cannot write: {}", path_.string(), reason());
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t size) {
  buffer_.append(static_cast<const char*>(data), size);
  if (buffer_.size() >= kBufferBytes) flush();
}

void AtomicFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n =
        ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error("{}: cannot write: {}; the file is left as it was",
                  path_.string(), reason());
    done += static_cast<size_t>(n);
  }
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  const bool synced =
      ::fsync(descriptor_) == 0 || errno == EINVAL || errno == EROFS;
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  if (!synced || !closed || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(temporary_.c_str());
    throw Error("{}: cannot write: {}; the file is left as it was",
                path_.string(), why);
  }
  sync_directory(path_.parent_path());
}

void write_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

AtomicDirectory::AtomicDirectory(fs::path path)
    : path_(std::move(path)), temporary_(beside(path_, "tmp")) {
  std::error_code code;
  fs::remove_all(temporary_, code);
  fs::create_directories(temporary_, code);
  if (code)
    throw Error("{}: cannot create: {}", path_.string(), code.message());
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code code;
  if (!temporary_.empty()) fs::remove_all(temporary_, code);
}

void AtomicDirectory::commit() {
  sync_directory(temporary_);
  const fs::path old = beside(path_, "old");
  std::error_code code;
  fs::remove_all(old, code);
  code.clear();
  // rename() cannot replace a directory that has files in it, so the old one
  // steps aside first; the reader that comes between finds it under ".old".
  if (fs::exists(path_)) fs::rename(path_, old, code);
  if (!code) fs::rename(temporary_, path_, code);
  if (code)
    throw Error("{}: cannot replace: {}", path_.string(), code.message());
  temporary_.clear();
  sync_directory(path_.parent_path());
  fs::remove_all(old, code);
}

}  // namespace seodang
