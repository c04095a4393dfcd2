#include "train/event_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "train/metrics.h"

namespace seodang {
namespace {

TEST(EventFile, TheChecksumIsThatOfRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // appendix B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

// The records of a file; their checksums are looked at by the test's own eyes.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> out;
  const auto masked = [](std::string_view bytes) {
    const uint32_t crc = crc32c(bytes);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;  // as TFRecord has it
  };
  for (size_t at = 0; at < file.size();) {
    uint64_t size = 0;
    uint32_t of_size = 0, of_data = 0;
    std::memcpy(&size, file.data() + at, 8);
    std::memcpy(&of_size, file.data() + at + 8, 4);
    EXPECT_EQ(of_size, masked(file.substr(at, 8)));
    out.push_back(file.substr(at + 12, size));
    std::memcpy(&of_data, file.data() + at + 12 + size, 4);
    EXPECT_EQ(of_data, masked(out.back()));
    at += size + 16;
  }
  return out;
}

TEST(EventFile, RecordsAreEventsOfScalars) {
  const auto dir = std::filesystem::path(testing::TempDir()) / "events";
  std::filesystem::remove_all(dir);
  {
    Metrics metrics(dir.parent_path() / "events_metrics.jsonl", 0, dir);
    metrics.write({{"step", 300}, {"loss", 0.5}});
    metrics.write({{"step", 301}, {"prompt", "a"}, {"sample", "b"}});
  }
  const auto read = [&] {
    return records(read_file(dir / "events.out.tfevents.seodang"));
  };
  const std::vector<std::string> all = read();
  ASSERT_EQ(all.size(), 2u);  // a line without numbers is none
  const auto is = [](std::string_view record, std::string_view behind_time) {
    EXPECT_EQ(record[0], '\x09');  // field 1, eight bytes: wall_time
    EXPECT_EQ(record.substr(9), behind_time);
  };
  using namespace std::string_literals;
  is(all[0],
     "\x10\x00\x1a\x0d"
     "brain.Event:2"s);
  // Field 2: step 300; field 5: a summary of one value, whose tag is "loss" and
  // whose simple_value is 0.5f.
  is(all[1], "\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f"s);
  // A run that goes on has what it kept.
  const auto kept = static_cast<int64_t>(
      read_file(dir.parent_path() / "events_metrics.jsonl").find('\n') + 1);
  {
    Metrics metrics(dir.parent_path() / "events_metrics.jsonl", kept, dir);
    metrics.write({{"step", 301}, {"loss", 0.25}});
  }
  const std::vector<std::string> again = read();
  ASSERT_EQ(again.size(), 3u);
  EXPECT_EQ(again[1].substr(9), all[1].substr(9));
}

}  // namespace
}  // namespace seodang
