// Values and files of GGUF, written.
#include <stdexcept>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_layout.h"

namespace seodang {
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
    out.append(reinterpret_cast<const char*>(&number),
               gguf_value_bytes(value.type));
  for (const double number : value.reals) {
    if (value.type == GgufType::f64)
      put(out, number);
    else
      put(out, static_cast<float>(number));
  }
  for (const std::string& text : value.strings) put_string(out, text);
}

uint32_t code_of(Dtype dtype) {
  for (const GgufTensorType& type : kGgufTensorTypes)
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
  put(head, kGgufMagic);
  put(head, uint32_t{3});
  put(head, uint64_t{items_.size()});
  put(head, uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    put_string(head, key);
    put_value(head, value);
  }
  uint64_t offset = 0;
  for (const GgufItem& item : items_) {
    if (item.name.size() > kGgufMaxName)
      throw Error("{}: tensor name {} is longer than {} bytes", path.string(),
                  item.name, kGgufMaxName);
    put_string(head, item.name);
    put(head, static_cast<uint32_t>(item.shape.size()));
    for (size_t i = item.shape.size(); i-- > 0;)
      put(head, static_cast<uint64_t>(item.shape[i]));
    put(head, code_of(item.dtype));
    put(head, offset);
    offset = gguf_rounded_up(offset + item_bytes(item), kGgufAlignment);
  }
  head.resize(gguf_rounded_up(head.size(), kGgufAlignment));
  file_.write(head);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (at_ == items_.size() || bytes.size() > item_bytes(items_[at_]) - written_)
    throw std::logic_error("more bytes than the tensor has");
  file_.write(bytes.data(), bytes.size());
  written_ += bytes.size();
  if (written_ < item_bytes(items_[at_])) return;
  file_.write(
      std::string(gguf_rounded_up(written_, kGgufAlignment) - written_, '\0'));
  written_ = 0;
  ++at_;
}

void GgufWriter::commit() {
  if (at_ != items_.size()) throw std::logic_error("a tensor is missing");
  file_.commit();
}

}  // namespace seodang
