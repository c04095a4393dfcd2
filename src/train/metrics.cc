#include "train/metrics.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace seodang {

namespace {

// The size of the whole lines among the first `keep_bytes` bytes of the file.
int64_t whole_lines(const std::filesystem::path& path, int64_t keep_bytes) {
  if (keep_bytes == 0 || !std::filesystem::exists(path)) return 0;
  const std::string text =
      read_file(path).substr(0, static_cast<size_t>(keep_bytes));
  const size_t end = text.rfind('\n', text.find('\0'));
  return end == text.npos ? 0 : static_cast<int64_t>(end + 1);
}

double seconds_since_1970() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Metrics::Metrics(const std::filesystem::path& path, int64_t keep_bytes,
                 const std::filesystem::path& tensorboard)
    : path_(path), bytes_(whole_lines(path, keep_bytes)) {
  file_ = std::fopen(path.c_str(), "ab");
  if (file_ == nullptr || ::ftruncate(::fileno(file_), bytes_) != 0)
    throw Error("{}: cannot write: {}", path.string(), std::strerror(errno));
  if (tensorboard.empty()) return;
  events_.emplace(tensorboard);
  const std::string kept = read_file(path);
  for (size_t at = 0; at < kept.size();) {
    const size_t end = kept.find('\n', at);
    events_->write(nlohmann::ordered_json::parse(kept.substr(at, end - at),
                                                 nullptr, false),
                   seconds_since_1970());
    at = end + 1;
  }
}

Metrics::~Metrics() {
  if (file_ != nullptr) std::fclose(file_);
}

void Metrics::write(const nlohmann::ordered_json& line) {
  // Text from a half-trained model may be cut inside a character.
  const std::string text =
      line.dump(-1, ' ', false,
                nlohmann::ordered_json::error_handler_t::replace) +
      "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() ||
      std::fflush(file_) != 0)
    throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
  bytes_ += static_cast<int64_t>(text.size());
  if (events_) events_->write(line, seconds_since_1970());
}

void Metrics::sync() {
  if (::fsync(::fileno(file_)) != 0)
    throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace seodang
