#include "train/metrics.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {

Metrics::Metrics(const std::filesystem::path& path, int64_t keep_bytes)
    : path_(path), bytes_(keep_bytes) {
  file_ = std::fopen(path.c_str(), "ab");
  if (file_ == nullptr || ::ftruncate(::fileno(file_), keep_bytes) != 0)
    throw Error("{}: cannot write: {}", path.string(), std::strerror(errno));
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
}

}  // namespace seodang
