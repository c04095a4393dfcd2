#include "data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr size_t kInputBytes = size_t{1} << 17;

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(const fs::path& path) : name_(path.string()) {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0)
      throw Error("{}: cannot open: {}", name_, std::strerror(errno));
    struct stat status {};
    if (::fstat(descriptor_, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(descriptor_);
      throw Error("{}: is a directory; name its files", name_);
    }
  }
  ~PlainSource() override { ::close(descriptor_); }
  PlainSource(const PlainSource&) = delete;
  PlainSource& operator=(const PlainSource&) = delete;

  size_t read(std::span<char> out) override {
    ssize_t got = 0;
    do {
      got = ::read(descriptor_, out.data(), out.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0)
      throw Error("{}: cannot read: {}", name_, std::strerror(errno));
    return static_cast<size_t>(got);
  }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  int descriptor_ = -1;
};

// What the two decompressors share: a buffer of compressed bytes.
class CompressedSource : public ByteSource {
 protected:
  explicit CompressedSource(const fs::path& path)
      : file_(path), input_(kInputBytes) {}

  // False at the end of the file.
  bool refill() {
    begin_ = 0;
    end_ = file_.read(input_);
    return end_ > 0;
  }
  [[noreturn]] void fail(const char* what) const {
    throw Error("{}: {}", file_.name(), what);
  }
  [[noreturn]] void fail_truncated() const {
    fail("the compressed file ends too early; copy or download it again");
  }

  PlainSource file_;
  std::vector<char> input_;
  size_t begin_ = 0, end_ = 0;  // bytes of input_ not used yet
};

class GzipSource : public CompressedSource {
 public:
  explicit GzipSource(const fs::path& path) : CompressedSource(path) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK)
      fail("out of memory for decompression");
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out == out.size()) {
      if (begin_ == end_ && !refill()) {
        if (inside_) fail_truncated();
        break;
      }
      if (!inside_) begin_member();
      if (inside_) inflate_some();
    }
    return out.size() - stream_.avail_out;
  }

 private:
  // Between members only zeros may stand (tapes are padded with them).
  void begin_member() {
    if (members_ > 0)
      while (begin_ < end_ && input_[begin_] == 0) ++begin_;
    if (begin_ == end_) return;
    inflateReset(&stream_);
    inside_ = true;
    ++members_;
  }

  void inflate_some() {
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + begin_);
    stream_.avail_in = static_cast<uInt>(end_ - begin_);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    begin_ = end_ - stream_.avail_in;
    if (status == Z_STREAM_END)
      inside_ = false;
    else if (status != Z_OK && status != Z_BUF_ERROR)
      fail("not a gzip file, or damaged");
  }

  z_stream stream_ = {};
  bool inside_ = true;  // an empty file is a truncated one
  int64_t members_ = 1;
};

class ZstdSource : public CompressedSource {
 public:
  explicit ZstdSource(const fs::path& path)
      : CompressedSource(path), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) fail("out of memory for decompression");
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  size_t read(std::span<char> out) override {
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    while (output.pos == 0) {
      if (begin_ == end_ && !refill() && drained_) {
        if (inside_) fail_truncated();
        break;
      }
      ZSTD_inBuffer input = {input_.data(), end_, begin_};
      const size_t left = ZSTD_decompressStream(stream_, &output, &input);
      if (ZSTD_isError(left)) fail("not a zstd file, or damaged");
      drained_ = output.pos < output.size;
      inside_ = left != 0;
      begin_ = input.pos;
    }
    return output.pos;
  }

 private:
  ZSTD_DStream* stream_;
  bool inside_ = true;   // in a frame; an empty file is a truncated one
  bool drained_ = true;  // nothing more to give without more input
};

void refuse_binary_table(const fs::path& path) {
  struct Format {
    std::string_view ending, name, read;
  };
  constexpr Format kFormats[] = {{".parquet", "Parquet", "read_parquet"},
                                 {".arrow", "Arrow", "read_feather"},
                                 {".feather", "Arrow", "read_feather"},
                                 {".xlsx", "Excel", "read_excel"},
                                 {".xls", "Excel", "read_excel"}};
  for (const Format& format : kFormats)
    if (path.extension() == format.ending)
      throw Error(
          "{}: {} is not read; make JSONL of it: python3 -c \"import pandas; "
          "pandas.{}('{}').to_json('{}', orient='records', lines=True, "
          "force_ascii=False)\"",
          path.string(), format.name, format.read, path.string(),
          fs::path(path).replace_extension(".jsonl").string());
}

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const fs::path& path) {
  const fs::path ending = path.extension();
  refuse_binary_table(path);
  if (ending == ".gz") return std::make_unique<GzipSource>(path);
  if (ending == ".zst") return std::make_unique<ZstdSource>(path);
  return std::make_unique<PlainSource>(path);
}

}  // namespace seodang
