#include "data/lines.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/byte_source.h"
#include "data/encoding.h"

namespace seodang {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 18;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

struct LineReader::State {
  std::string name;
  size_t max_line_bytes;
  std::unique_ptr<ByteSource> source;
  std::vector<char> buffer = std::vector<char>(kBufferBytes);
  size_t begin = 0, end = 0;  // bytes of `buffer` not given yet
  uint64_t number = 0;
  bool complete = true;

  bool available() {
    if (begin < end) return true;
    begin = 0;
    end = source->read(buffer);
    return end > 0;
  }

  // Appends what the buffer holds of the current line; false when more is
  // wanted. Looks one byte further than the line may grow, so that a line of
  // just the longest size is not taken for a piece.
  bool take(std::string& line) {
    const size_t room = max_line_bytes - line.size();
    const size_t look = std::min(end - begin, room + 1);
    const char* from = buffer.data() + begin;
    const void* newline = std::memchr(from, '\n', look);
    complete = newline != nullptr;
    const size_t size = complete ? static_cast<const char*>(newline) - from
                                 : std::min(look, room);
    if (std::memchr(from, '\0', size) != nullptr)
      throw Error(
          "{}:{}: a NUL byte: this is not a UTF-8 text file; of UTF-16 "
          "without a byte order mark say --encoding utf-16le",
          name, number);
    line.append(from, size);
    begin += size + complete;
    return complete || size < look;
  }
};

LineReader::LineReader(const std::filesystem::path& path, size_t max_line_bytes,
                       const std::string& encoding)
    : state_(new State{path.string(), max_line_bytes,
                       as_utf8(open_bytes(path), encoding, path.string())}) {}
LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;

uint64_t LineReader::number() const { return state_->number; }
bool LineReader::complete() const { return state_->complete; }

bool LineReader::next(std::string& line) {
  State& s = *state_;
  line.clear();
  if (!s.available()) return false;
  const bool first = s.number == 0;
  if (s.complete) ++s.number;
  while (!s.take(line)) {
    if (s.available()) continue;
    s.complete = true;  // the last line needs no line end
    break;
  }
  if (s.complete && line.ends_with('\r')) line.pop_back();
  if (first && line.starts_with(kByteOrderMark))
    line.erase(0, kByteOrderMark.size());
  return true;
}

}  // namespace seodang
