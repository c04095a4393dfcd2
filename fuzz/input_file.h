// What a fuzzer makes up, as a file: the readers under test take paths.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace seodang {

// DIR/name in a scratch folder of this process; gone with the process.
class InputFile {
 public:
  explicit InputFile(const std::string& name)
      : directory_(std::filesystem::temp_directory_path() /
                   ("seodang-fuzz-" + std::to_string(getpid()))),
        path_(directory_ / name) {
    std::filesystem::create_directories(directory_);
  }
  ~InputFile() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  void write(const uint8_t* data, size_t size) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data),
               static_cast<std::streamsize>(size));
  }
  const std::filesystem::path& directory() const { return directory_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path directory_, path_;
};

}  // namespace seodang
