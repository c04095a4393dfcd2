#include "train/event_file.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {
namespace {

constexpr std::array<uint32_t, 256> kTable = [] {
  constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected
  std::array<uint32_t, 256> out{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = value >> 1 ^ (value & 1 ? kPolynomial : 0);
    out[i] = value;
  }
  return out;
}();

uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8;
}

template <class T>
std::string raw_bytes(T value) {  // x86-64 and ARM are little-endian
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Protocol Buffers' wire format.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7)
    out += static_cast<char>((value & 0x7F) | 0x80);
  return out + static_cast<char>(value);
}
enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
std::string field(int number, Wire wire, const std::string& value) {
  std::string out =
      varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(wire));
  if (wire == Wire::bytes) out += varint(value.size());
  return out + value;
}

// Fields of Event, Summary and Summary.Value.
std::string event(double wall_time, int64_t step) {
  return field(1, Wire::fixed64, raw_bytes(wall_time)) +
         field(2, Wire::varint, varint(static_cast<uint64_t>(step)));
}
std::string scalar(const std::string& tag, double value) {
  return field(
      1, Wire::bytes,
      field(1, Wire::bytes, tag) +
          field(2, Wire::fixed32, raw_bytes(static_cast<float>(value))));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t out = 0xFFFFFFFF;
  for (const char byte : bytes)
    out = kTable[(out ^ static_cast<uint8_t>(byte)) & 0xFF] ^ out >> 8;
  return ~out;
}

EventFile::EventFile(const std::filesystem::path& directory)
    : path_(directory / "events.out.tfevents.seodang") {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  file_ = std::fopen(path_.c_str(), "wb");
  if (file_ == nullptr)
    throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
  write_record(event(0, 0) + field(3, Wire::bytes, "brain.Event:2"));
}

EventFile::~EventFile() {
  if (file_ != nullptr) std::fclose(file_);
}

void EventFile::write(const nlohmann::ordered_json& line, double wall_time) {
  if (!line.is_object() || !line.contains("step")) return;
  std::string summary;
  for (const auto& [key, value] : line.items())
    if (value.is_number() && key != "step")
      summary += scalar(key, value.get<double>());
  if (!summary.empty())
    write_record(event(wall_time, line["step"].get<int64_t>()) +
                 field(5, Wire::bytes, summary));
}

void EventFile::write_record(std::string_view data) {
  const std::string length = raw_bytes(static_cast<uint64_t>(data.size()));
  const std::string record = length + raw_bytes(masked_crc(length)) +
                             std::string(data) + raw_bytes(masked_crc(data));
  if (std::fwrite(record.data(), 1, record.size(), file_) != record.size() ||
      std::fflush(file_) != 0)
    throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace seodang
