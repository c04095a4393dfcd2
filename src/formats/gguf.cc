#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "base/error.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kDefaultAlignment = 32, kMaxAlignment = 1 << 16;
constexpr uint64_t kMaxKeys = 1 << 16, kMaxTensors = 1 << 20;
constexpr uint64_t kMaxName = 64, kMaxKey = 65535, kMaxElements = 1 << 24;
constexpr int kMaxDepth = 8;

struct NamedType {
  uint32_t code;
  Dtype dtype;
};
constexpr std::array<NamedType, 14> kTensorTypes = {{{0, Dtype::f32},
                                                     {1, Dtype::f16},
                                                     {2, Dtype::q4_0},
                                                     {3, Dtype::q4_1},
                                                     {6, Dtype::q5_0},
                                                     {7, Dtype::q5_1},
                                                     {8, Dtype::q8_0},
                                                     {10, Dtype::q2_k},
                                                     {11, Dtype::q3_k},
                                                     {12, Dtype::q4_k},
                                                     {13, Dtype::q5_k},
                                                     {14, Dtype::q6_k},
                                                     {20, Dtype::iq4_nl},
                                                     {30, Dtype::bf16}}};

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

// Bytes of one element in the file; 0 for strings and arrays.
size_t value_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    default:
      return 0;
  }
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
  return value_bytes(type);
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
  out.name = read.take_name(kMaxName, "a tensor's name");
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
      std::find_if(kTensorTypes.begin(), kTensorTypes.end(),
                   [&](const NamedType& t) { return t.code == code; });
  if (type == kTensorTypes.end())
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
  if (found == metadata.end()) return kDefaultAlignment;
  const GgufValue& value = found->second;
  const int64_t alignment =
      value.is_array || value.integers.empty() ? 0 : value.integers[0];
  if (alignment <= 0 || alignment % 8 != 0 ||
      alignment > static_cast<int64_t>(kMaxAlignment))
    throw Error("{}: general.alignment is not a multiple of 8 up to {}", file,
                kMaxAlignment);
  return static_cast<uint64_t>(alignment);
}

uint64_t rounded_up(uint64_t position, uint64_t alignment) {
  return (position + alignment - 1) / alignment * alignment;
}

// NAME-00002-of-00003.gguf, as llama.cpp's gguf-split names parts: 3; else 0.
constexpr size_t kPartEnd = sizeof("-00002-of-00003.gguf") - 1;
int64_t parts_in_name(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.size() <= kPartEnd) return 0;
  int number = 0, count = 0, length = 0;
  const std::string end = name.substr(name.size() - kPartEnd);
  // NOLINTNEXTLINE(cert-err34-c): five digits cannot overflow
  if (std::sscanf(end.c_str(), "-%5d-of-%5d.gguf%n", &number, &count,
                  &length) != 2 ||
      length != kPartEnd || number < 1 || count < 1)
    return 0;
  return count;
}

// The path of another part; `path` itself when its name is not that of one.
fs::path part_path(const fs::path& path, int64_t number) {
  if (parts_in_name(path) == 0) return path;
  std::string name = path.filename().string();
  name.replace(name.size() - kPartEnd + 1, 5, fmt::format("{:05}", number));
  return path.parent_path() / name;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path)
    : path_(part_path(path, 1)) {
  metadata_ = add(path_);
  if (const int64_t parts = integer("split.count", 1); parts > 1)
    add_parts(parts);
}

void GgufFile::add_parts(int64_t count) {
  const std::string where = path_.string();
  if (parts_in_name(path_) != count)
    throw Error(
        "{}: one of {} parts of a model, which are found by their names: "
        "NAME-00001-of-{:05}.gguf",
        where, count, count);
  for (int64_t number = 1; number <= count; ++number) {
    const fs::path path = part_path(path_, number);
    if (!fs::exists(path))
      throw Error("{}: {} is missing, one of {} parts", where,
                  path.filename().string(), count);
    const Metadata own = number > 1 ? add(path) : metadata_;
    const auto no = own.find("split.no");
    if (no != own.end() && no->second.integers != std::vector{number - 1})
      throw Error("{}: part {} of {} (counted from 0), its name says {}",
                  path.string(), fmt::join(no->second.integers, " "), count,
                  number);
  }
  const int64_t tensors = integer("split.tensors.count", -1);
  if (tensors >= 0 && tensors != static_cast<int64_t>(tensors_.size()))
    throw Error("{}: {} tensors in {} parts, split.tensors.count says {}",
                where, tensors_.size(), count, tensors);
}

GgufFile::Metadata GgufFile::add(const std::filesystem::path& path) {
  const std::string where = path.string();
  const auto bytes = files_.emplace_back(path).bytes();
  Metadata metadata;
  Reader read(where, bytes);
  if (bytes.size() < 24 || read.take<uint32_t>() != kMagic)
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
                             ? rounded_up(read.position(), alignment)
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

namespace {

GgufValue one(GgufType type) {
  GgufValue value;
  value.type = type;
  return value;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_string(std::string& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out += text;
}

void put_value(std::string& out, const GgufValue& value) {
  put(out, value.is_array ? GgufType::array : value.type);
  if (value.is_array) {
    put(out, value.type);
    put(out, uint64_t{value.integers.size() + value.reals.size() +
                      value.strings.size()});
  }
  // Little-endian: the first bytes of a number are the narrower number.
  for (const int64_t number : value.integers)
    out.append(reinterpret_cast<const char*>(&number), value_bytes(value.type));
  for (const double number : value.reals) {
    if (value.type == GgufType::f64)
      put(out, number);
    else
      put(out, static_cast<float>(number));
  }
  for (const std::string& text : value.strings) put_string(out, text);
}

uint32_t code_of(Dtype dtype) {
  for (const NamedType& type : kTensorTypes)
    if (type.dtype == dtype) return type.code;
  throw std::logic_error("a dtype that GGUF has no code for");
}

uint64_t item_bytes(const GgufItem& item) {
  int64_t numbers = 1;
  for (const int64_t size : item.shape) numbers *= size;
  return bytes_of(item.dtype, numbers);
}

}  // namespace

GgufValue GgufValue::u32(uint32_t number) {
  GgufValue value = one(GgufType::u32);
  value.integers = {number};
  return value;
}
GgufValue GgufValue::f32(double number) {
  GgufValue value = one(GgufType::f32);
  value.reals = {number};
  return value;
}
GgufValue GgufValue::boolean(bool truth) {
  GgufValue value = one(GgufType::boolean);
  value.integers = {truth};
  return value;
}
GgufValue GgufValue::string(std::string text) {
  GgufValue value = one(GgufType::string);
  value.strings.push_back(std::move(text));
  return value;
}
GgufValue GgufValue::array(std::vector<std::string> texts) {
  GgufValue value = one(GgufType::string);
  value.is_array = true;
  value.strings = std::move(texts);
  return value;
}
GgufValue GgufValue::i32_array(std::vector<int64_t> numbers) {
  GgufValue value = one(GgufType::i32);
  value.is_array = true;
  value.integers = std::move(numbers);
  return value;
}
GgufValue GgufValue::f32_array(std::vector<double> numbers) {
  GgufValue value = one(GgufType::f32);
  value.is_array = true;
  value.reals = std::move(numbers);
  return value;
}

GgufWriter::GgufWriter(const std::filesystem::path& path,
                       const GgufMetadata& metadata,
                       std::vector<GgufItem> items)
    : file_(path), items_(std::move(items)) {
  std::string head;
  put(head, kMagic);
  put(head, uint32_t{3});
  put(head, uint64_t{items_.size()});
  put(head, uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    put_string(head, key);
    put_value(head, value);
  }
  uint64_t offset = 0;
  for (const GgufItem& item : items_) {
    if (item.name.size() > kMaxName)
      throw Error("{}: tensor name {} is longer than {} bytes", path.string(),
                  item.name, kMaxName);
    put_string(head, item.name);
    put(head, static_cast<uint32_t>(item.shape.size()));
    for (size_t i = item.shape.size(); i-- > 0;)
      put(head, static_cast<uint64_t>(item.shape[i]));
    put(head, code_of(item.dtype));
    put(head, offset);
    offset = rounded_up(offset + item_bytes(item), kDefaultAlignment);
  }
  head.resize(rounded_up(head.size(), kDefaultAlignment));
  file_.write(head);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (at_ == items_.size() || bytes.size() > item_bytes(items_[at_]) - written_)
    throw std::logic_error("more bytes than the tensor has");
  file_.write(bytes.data(), bytes.size());
  written_ += bytes.size();
  if (written_ < item_bytes(items_[at_])) return;
  file_.write(
      std::string(rounded_up(written_, kDefaultAlignment) - written_, '\0'));
  written_ = 0;
  ++at_;
}

void GgufWriter::commit() {
  if (at_ != items_.size()) throw std::logic_error("a tensor is missing");
  file_.commit();
}

}  // namespace seodang
