#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "base/error.h"
#include "formats/gguf_layout.h"
#include "formats/shard_name.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxAlignment = 1 << 16;
constexpr uint64_t kMaxKeys = 1 << 16, kMaxTensors = 1 << 20;
constexpr uint64_t kMaxKey = 65535, kMaxElements = 1 << 24;
constexpr int kMaxDepth = 8;

// GGML's names of the types that are not read (ggml.h, enum ggml_type).
std::string_view name_of_unread(uint32_t code) {
  struct Named {
    uint32_t code;
    std::string_view name;
  };
  constexpr std::array<Named, 22> kNames = {
      {{9, "Q8_1"},      {15, "Q8_K"},     {16, "IQ2_XXS"}, {17, "IQ2_XS"},
       {18, "IQ3_XXS"},  {19, "IQ1_S"},    {21, "IQ3_S"},   {22, "IQ2_S"},
       {23, "IQ4_XS"},   {24, "I8"},       {25, "I16"},     {26, "I32"},
       {27, "I64"},      {28, "F64"},      {29, "IQ1_M"},   {31, "Q4_0_4_4"},
       {32, "Q4_0_4_8"}, {33, "Q4_0_8_8"}, {34, "TQ1_0"},   {35, "TQ2_0"},
       {39, "MXFP4"},    {40, "NVFP4"}}};
  for (const Named& named : kNames)
    if (named.code == code) return named.name;
  return "";
}

bool is_real(GgufType type) {
  return type == GgufType::f32 || type == GgufType::f64;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 127; });
}

// Reads the head of the file from front to back.
class Reader {
 public:
  Reader(std::string file, std::span<const std::byte> bytes)
      : file_(std::move(file)), bytes_(bytes) {}

  // What is being read, for the message.
  void name_part(std::string part) { part_ = std::move(part); }
  [[noreturn]] void fail(std::string_view why) const {
    throw Error("{}: {}{}{}", file_, part_, part_.empty() ? "" : ": ", why);
  }
  size_t position() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  template <class T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view take_string(uint64_t limit) {
    const uint64_t size = take<uint64_t>();
    if (size > limit && size <= left())
      fail(fmt::format("a string of {} bytes is longer than {}", size, limit));
    const auto text = take_bytes(size);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }
  std::string take_name(uint64_t limit, const char* what) {
    const std::string_view name = take_string(limit);
    if (name.empty() || !is_printable(name))
      fail(fmt::format("{} is not a name in ASCII", what));
    return std::string(name);
  }

 private:
  std::span<const std::byte> take_bytes(uint64_t size) {
    if (size > left())
      fail(
          fmt::format("{} bytes are asked for at byte {}, {} are left; is the "
                      "file truncated?",
                      size, at_, left()));
    const auto out = bytes_.subspan(at_, size);
    at_ += size;
    return out;
  }

  std::string file_, part_;
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

void take_element(Reader& read, GgufValue& value) {
  switch (value.type) {
    case GgufType::u8:
      return value.integers.push_back(read.take<uint8_t>());
    case GgufType::i8:
      return value.integers.push_back(read.take<int8_t>());
    case GgufType::u16:
      return value.integers.push_back(read.take<uint16_t>());
    case GgufType::i16:
      return value.integers.push_back(read.take<int16_t>());
    case GgufType::u32:
      return value.integers.push_back(read.take<uint32_t>());
    case GgufType::i32:
      return value.integers.push_back(read.take<int32_t>());
    case GgufType::i64:
      return value.integers.push_back(read.take<int64_t>());
    case GgufType::u64:
      return value.integers.push_back(
          static_cast<int64_t>(read.take<uint64_t>()));
    case GgufType::boolean:
      return value.integers.push_back(read.take<uint8_t>());
    case GgufType::f32:
      return value.reals.push_back(double{read.take<float>()});
    case GgufType::f64:
      return value.reals.push_back(read.take<double>());
    case GgufType::string:
      value.strings.emplace_back(read.take_string(UINT64_MAX));
      return;
    case GgufType::array:
      break;
  }
  throw std::logic_error("an array is no element");
}

GgufType take_type(Reader& read) {
  const uint32_t code = read.take<uint32_t>();
  if (code > static_cast<uint32_t>(GgufType::f64))
    read.fail(fmt::format("value type {} is unknown", code));
  return static_cast<GgufType>(code);
}

// Fewest bytes of an element.
size_t least_bytes(GgufType type) {
  if (type == GgufType::string) return 8;  // its length
  if (type == GgufType::array) return 12;  // its type and length
  return gguf_value_bytes(type);
}

GgufValue take_array(Reader& read, int depth) {
  GgufValue value;
  value.is_array = true;
  value.type = take_type(read);
  const auto count = read.take<uint64_t>();
  if (count > kMaxElements || count > read.left() / least_bytes(value.type))
    read.fail(
        fmt::format("an array of {} elements does not fit the file", count));
  if (value.type == GgufType::array && depth == kMaxDepth)
    read.fail(fmt::format("arrays deeper than {}", kMaxDepth));
  for (uint64_t i = 0; i < count; ++i)
    if (value.type == GgufType::array)
      take_array(read, depth + 1);
    else
      take_element(read, value);
  return value;
}

GgufValue take_value(Reader& read) {
  GgufValue value;
  value.type = take_type(read);
  if (value.type == GgufType::array) return take_array(read, 1);
  take_element(read, value);
  return value;
}

struct Placed {
  std::string name;
  GgufTensor tensor;
  uint64_t offset, bytes;
};

Placed take_tensor(Reader& read) {
  Placed out;
  read.name_part("the list of tensors");
  out.name = read.take_name(kGgufMaxName, "a tensor's name");
  read.name_part("tensor " + out.name);
  const uint32_t dimensions = read.take<uint32_t>();
  if (dimensions < 1 || dimensions > 4)
    read.fail(fmt::format("{} dimensions are not 1 to 4", dimensions));
  uint64_t numbers = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const uint64_t size = read.take<uint64_t>();
    if (size == 0 || size > INT64_MAX / 64 / numbers)
      read.fail("its shape is absurd");
    numbers *= size;
    out.tensor.shape.insert(out.tensor.shape.begin(),
                            static_cast<int64_t>(size));
  }
  const uint32_t code = read.take<uint32_t>();
  const auto type =
      std::find_if(kGgufTensorTypes.begin(), kGgufTensorTypes.end(),
                   [&](const GgufTensorType& t) { return t.code == code; });
  if (type == kGgufTensorTypes.end())
    read.fail(fmt::format(
        "type {} is not supported; take a file of F32, F16, BF16, Q8_0, Q6_K, "
        "Q5_K, Q5_0, Q5_1, Q4_K, Q4_0, Q4_1, IQ4_NL, Q3_K or Q2_K",
        name_of_unread(code).empty() ? fmt::format("{}", code)
                                     : std::string(name_of_unread(code))));
  out.tensor.dtype = type->dtype;
  if (out.tensor.shape.back() % block_size(type->dtype) != 0)
    read.fail(fmt::format("rows of {} numbers are not whole blocks of {}",
                          out.tensor.shape.back(), name_of(type->dtype)));
  out.bytes = bytes_of(type->dtype, static_cast<int64_t>(numbers));
  out.offset = read.take<uint64_t>();
  return out;
}

uint64_t alignment_of(const std::string& file,
                      const std::map<std::string, GgufValue>& metadata) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return kGgufAlignment;
  const GgufValue& value = found->second;
  const int64_t alignment =
      value.is_array || value.integers.empty() ? 0 : value.integers[0];
  if (alignment <= 0 || alignment % 8 != 0 ||
      alignment > static_cast<int64_t>(kMaxAlignment))
    throw Error("{}: general.alignment is not a multiple of 8 up to {}", file,
                kMaxAlignment);
  return static_cast<uint64_t>(alignment);
}

// Of several shards the first, which has all metadata.
fs::path first_shard(const fs::path& path) {
  const auto shard = parse_shard_name(path.filename().string(), ".gguf");
  return shard ? path.parent_path() / shard->other(1) : path;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path)
    : path_(first_shard(path)) {
  metadata_ = add(path_);
  if (const int64_t shards = integer("split.count", 1); shards > 1)
    add_shards(shards);
}

void GgufFile::add_shards(int64_t count) {
  const std::string where = path_.string();
  const auto shard = parse_shard_name(path_.filename().string(), ".gguf");
  if (!shard || shard->count != count)
    throw Error(
        "{}: one of {} shards of a model, which are found by their names: "
        "NAME-00001-of-{:05}.gguf",
        where, count, count);
  for (int64_t number = 1; number <= count; ++number) {
    const fs::path path = path_.parent_path() / shard->other(number);
    if (!fs::exists(path))
      throw Error("{}: {} is missing, one of {} shards", where,
                  path.filename().string(), count);
    const Metadata own = number > 1 ? add(path) : metadata_;
    const auto no = own.find("split.no");
    if (no != own.end() && no->second.integers != std::vector{number - 1})
      throw Error("{}: shard {} of {} (counted from 0), its name says {}",
                  path.string(), fmt::join(no->second.integers, " "), count,
                  number);
  }
  const int64_t tensors = integer("split.tensors.count", -1);
  if (tensors >= 0 && tensors != static_cast<int64_t>(tensors_.size()))
    throw Error("{}: {} tensors in {} shards, split.tensors.count says {}",
                where, tensors_.size(), count, tensors);
}

GgufFile::Metadata GgufFile::add(const std::filesystem::path& path) {
  const std::string where = path.string();
  const auto bytes = files_.emplace_back(path).bytes();
  Metadata metadata;
  Reader read(where, bytes);
  if (bytes.size() < 24 || read.take<uint32_t>() != kGgufMagic)
    throw Error("{}: not a GGUF file", where);
  const uint32_t version = read.take<uint32_t>();
  if (version != 2 && version != 3)
    read.fail((version & 0xffff) == 0
                  ? "a big-endian GGUF file is not supported"
                  : fmt::format("GGUF version {} is not 2 or 3", version));
  const uint64_t tensor_count = read.take<uint64_t>();
  const uint64_t key_count = read.take<uint64_t>();
  if (key_count > kMaxKeys || tensor_count > kMaxTensors)
    read.fail(fmt::format("{} keys and {} tensors are absurd", key_count,
                          tensor_count));

  for (uint64_t i = 0; i < key_count; ++i) {
    read.name_part(fmt::format("key {} of the metadata", i));
    const std::string key = read.take_name(kMaxKey, "the key");
    read.name_part("key " + key);
    if (!metadata.emplace(key, take_value(read)).second)
      read.fail("it is there twice");
  }
  const uint64_t alignment = alignment_of(where, metadata);

  std::vector<Placed> placed;
  for (uint64_t i = 0; i < tensor_count; ++i)
    placed.push_back(take_tensor(read));
  const uint64_t begin = tensor_count > 0
                             ? gguf_rounded_up(read.position(), alignment)
                             : read.position();
  if (begin > bytes.size())
    throw Error("{}: ends before its tensors; is it truncated?", where);
  const auto data = bytes.subspan(begin);
  std::sort(placed.begin(), placed.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  uint64_t used = 0;
  for (Placed& p : placed) {
    read.name_part("tensor " + p.name);
    if (p.offset % alignment != 0)
      read.fail(fmt::format("offset {} is not a multiple of {}", p.offset,
                            alignment));
    if (p.offset > data.size() || p.bytes > data.size() - p.offset)
      read.fail(
          fmt::format("{} bytes at {} lie outside the {} bytes of data; "
                      "is the file truncated?",
                      p.bytes, p.offset, data.size()));
    if (p.offset < used) read.fail("it overlaps another tensor");
    used = p.offset + p.bytes;
    p.tensor.data = data.subspan(p.offset, p.bytes);
    if (!tensors_.emplace(p.name, std::move(p.tensor)).second)
      read.fail("it is there twice");
  }
  return metadata;
}

const GgufValue* GgufFile::find(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

const GgufValue* GgufFile::scalar(const std::string& key, const char* kind,
                                  bool required) const {
  const GgufValue* value = find(key);
  if (value == nullptr) {
    if (required) throw Error("{}: key {} is missing", path_.string(), key);
    return nullptr;
  }
  const std::string_view wanted = kind;
  const bool fits = wanted == "a text"     ? !value->strings.empty()
                    : wanted == "a number" ? is_real(value->type)
                    : wanted == "true or false"
                        ? value->type == GgufType::boolean
                        : !value->integers.empty();
  if (value->is_array || !fits)
    throw Error("{}: key {} is not {}", path_.string(), key, kind);
  if (value->type == GgufType::u64 && value->integers[0] < 0)
    throw Error("{}: key {} is over {}", path_.string(), key, INT64_MAX);
  if (value->type == GgufType::boolean && value->integers[0] > 1)
    throw Error("{}: key {} is not true or false", path_.string(), key);
  return value;
}

std::string GgufFile::text(const std::string& key,
                           const std::optional<std::string>& fallback) const {
  const GgufValue* value = scalar(key, "a text", !fallback);
  return value == nullptr ? *fallback : value->strings[0];
}

int64_t GgufFile::integer(const std::string& key,
                          std::optional<int64_t> fallback) const {
  const GgufValue* value = scalar(key, "a whole number", !fallback);
  return value == nullptr ? *fallback : value->integers[0];
}

double GgufFile::real(const std::string& key,
                      std::optional<double> fallback) const {
  const GgufValue* value = scalar(key, "a number", !fallback);
  return value == nullptr ? *fallback : value->reals[0];
}

bool GgufFile::flag(const std::string& key, bool fallback) const {
  const GgufValue* value = scalar(key, "true or false", false);
  return value == nullptr ? fallback : value->integers[0] != 0;
}

const std::vector<std::string>& GgufFile::texts(const std::string& key) const {
  static const std::vector<std::string> none;
  const GgufValue* value = find(key);
  if (value == nullptr) return none;
  if (!value->is_array || value->type != GgufType::string)
    throw Error("{}: key {} is not a list of texts", path_.string(), key);
  return value->strings;
}

const std::vector<int64_t>& GgufFile::integers(const std::string& key) const {
  static const std::vector<int64_t> none;
  const GgufValue* value = find(key);
  if (value == nullptr) return none;
  if (!value->is_array || is_real(value->type) ||
      value->type == GgufType::string || value->type == GgufType::array)
    throw Error("{}: key {} is not a list of whole numbers", path_.string(),
                key);
  return value->integers;
}

const std::vector<double>& GgufFile::reals(const std::string& key) const {
  static const std::vector<double> none;
  const GgufValue* value = find(key);
  if (value == nullptr) return none;
  if (!value->is_array || !is_real(value->type))
    throw Error("{}: key {} is not a list of numbers", path_.string(), key);
  return value->reals;
}

Tensor GgufFile::tensor(const std::string& name,
                        const std::vector<int64_t>& shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw Error("{}: tensor {} is missing", path_.string(), name);
  const GgufTensor& entry = found->second;
  if (entry.shape != shape)
    throw Error("{}: tensor {} has shape {}, the metadata ask for {}",
                path_.string(), name, show_shape(entry.shape),
                show_shape(shape));
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return {const_cast<std::byte*>(entry.data.data()), entry.dtype, rows,
          shape.back()};
}

}  // namespace seodang
