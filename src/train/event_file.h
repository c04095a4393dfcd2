// Metrics as TensorBoard reads them: records of the TFRecord format
// (tensorflow.org, "TFRecord and tf.train.Example", records with CRC-32C masked
// as there), each an Event of tensorboard's event.proto with one scalar a
// value.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace seodang {

// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
uint32_t crc32c(std::string_view bytes);

class EventFile {
 public:
  // Begins `directory`/events.out.tfevents.seodang anew. Throws Error when it
  // cannot be written.
  explicit EventFile(const std::filesystem::path& directory);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // The numbers of a line of metrics.jsonl that has a "step", each under its
  // key; what else is there is left out. `wall_time` in seconds since 1970.
  void write(const nlohmann::ordered_json& line, double wall_time);

 private:
  void write_record(std::string_view data);

  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

}  // namespace seodang
