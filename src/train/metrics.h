// metrics.jsonl: one JSON object a line, in the order things happened.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "train/event_file.h"

namespace seodang {

class Metrics {
 public:
  // Appends to `path`, cut to its first `keep_bytes` bytes: what was written
  // after the checkpoint that a run goes on from will be written again. Where a
  // power cut left less, or zeros, to the last whole line of it. With
  // `tensorboard`, a folder, what is kept and what follows is there too, as
  // TensorBoard reads it (train/event_file.h).
  Metrics(const std::filesystem::path& path, int64_t keep_bytes,
          const std::filesystem::path& tensorboard = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Throws Error when the line cannot be written (full disk).
  void write(const nlohmann::ordered_json& line);
  // Makes sure that it is on the disk.
  void sync();
  int64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
  int64_t bytes_ = 0;
  std::optional<EventFile> events_;
};

}  // namespace seodang
