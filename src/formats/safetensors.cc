#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "formats/json.h"

namespace seodang {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kMaxHeader = 100'000'000;

std::optional<Dtype> dtype_named(const std::string& name) {
  if (name == "F32") return Dtype::f32;
  if (name == "BF16") return Dtype::bf16;
  if (name == "F16") return Dtype::f16;
  return std::nullopt;
}

const char* name_in_file(Dtype dtype) {
  return dtype == Dtype::f32 ? "F32" : dtype == Dtype::bf16 ? "BF16" : "F16";
}

// One tensor's line of the header, checked against the bytes there are.
SafetensorsEntry read_entry(const std::string& where,
                            const nlohmann::json& json,
                            std::span<const std::byte> buffer) {
  const auto fail = [&](std::string_view why) {
    throw Error("{}: {}", where, why);
  };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets"))
    fail("needs dtype, shape and data_offsets");
  SafetensorsEntry entry;
  if (!json["dtype"].is_string()) fail("dtype is not a string");
  const std::string dtype = json["dtype"];
  const auto known = dtype_named(dtype);
  if (!known) fail(fmt::format("dtype {} is not one of F32, BF16, F16", dtype));
  entry.dtype = *known;

  uint64_t bytes = size_of(entry.dtype);
  if (!json["shape"].is_array() || json["shape"].size() > 8)
    fail("shape is not a list of at most 8 sizes");
  for (const nlohmann::json& size : json["shape"]) {
    if (!size.is_number_unsigned()) fail("shape has a size that is no count");
    const uint64_t n = size;
    if (n > INT64_MAX || (n != 0 && bytes > UINT64_MAX / n))
      fail("shape is too large");
    bytes *= n;
    entry.shape.push_back(static_cast<int64_t>(n));
  }
  const nlohmann::json& offsets = json["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    fail("data_offsets is not [begin, end]");
  const uint64_t begin = offsets[0], end = offsets[1];
  if (begin > end || end > buffer.size())
    fail(
        fmt::format("data_offsets [{}, {}] lie outside the {} bytes of data; "
                    "is the file truncated?",
                    begin, end, buffer.size()));
  if (end - begin != bytes)
    fail(fmt::format("shape {} needs {} bytes, data_offsets give {}",
                     show_shape(entry.shape), bytes, end - begin));
  entry.data = buffer.subspan(begin, end - begin);
  return entry;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(path) {
  const std::string where = path.string();
  const auto bytes = file_.bytes();
  uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size)
    throw Error("{}: {} bytes are too few for a safetensors file", where,
                bytes.size());
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kMaxHeader || header_size > bytes.size() - 8)
    throw Error(
        "{}: header of {} bytes does not fit the file; is it truncated, "
        "or not a safetensors file?",
        where, header_size);
  const std::string_view text = file_.text().substr(8, header_size);
  const auto buffer = bytes.subspan(8 + header_size);
  const nlohmann::json header = parse_json(text, where);
  if (!header.is_object())
    throw Error("{}: the header is not a JSON object", where);

  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) throw Error("{}: bad __metadata__", where);
      for (const auto& [key, text_value] : value.items())
        if (text_value.is_string()) metadata_[key] = text_value;
      continue;
    }
    entries_[name] =
        read_entry(fmt::format("{}: tensor {}", where, name), value, buffer);
  }

  std::vector<std::span<const std::byte>> parts;
  for (const auto& [name, entry] : entries_) parts.push_back(entry.data);
  std::sort(parts.begin(), parts.end(),
            [](auto a, auto b) { return a.data() < b.data(); });
  const std::byte* expected = buffer.data();
  for (const auto& part : parts) {
    if (part.data() != expected)
      throw Error("{}: tensors overlap or leave a hole", where);
    expected += part.size();
  }
  if (expected != buffer.data() + buffer.size())
    throw Error("{}: {} bytes behind the last tensor", where,
                buffer.data() + buffer.size() - expected);

  // The format asks for no alignment, reading numbers does.
  for (auto& [name, entry] : entries_) {
    if (reinterpret_cast<uintptr_t>(entry.data.data()) % size_of(entry.dtype) ==
        0)
      continue;
    const Buffer& copy =
        aligned_.emplace_back(entry.data.size(), Buffer::Fill::none);
    std::memcpy(copy.data(), entry.data.data(), entry.data.size());
    entry.data = {copy.as<const std::byte>(), entry.data.size()};
  }
}

Tensor SafetensorsFile::tensor(const std::string& name,
                               const std::vector<int64_t>& shape) const {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    throw Error("{}: tensor {} is missing", path_.string(), name);
  const SafetensorsEntry& entry = found->second;
  if (entry.shape != shape)
    throw Error("{}: tensor {} has shape {}, config.json asks for {}",
                path_.string(), name, show_shape(entry.shape),
                show_shape(shape));
  const int64_t cols = shape.empty() ? 1 : shape.back();
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return {const_cast<std::byte*>(entry.data.data()), entry.dtype, rows, cols};
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<SafetensorsItem>& items,
                       const std::map<std::string, std::string>& metadata) {
  Json header;
  header["__metadata__"] = metadata;
  header["__metadata__"]["format"] = "pt";
  uint64_t offset = 0;
  for (const SafetensorsItem& item : items) {
    const uint64_t bytes =
        static_cast<uint64_t>(item.tensor.size()) * size_of(item.tensor.dtype);
    header[item.name] = {{"dtype", name_in_file(item.tensor.dtype)},
                         {"shape", item.shape},
                         {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // numbers start aligned
  const uint64_t header_size = text.size();

  AtomicFile file(path);
  file.write(&header_size, sizeof header_size);
  file.write(text);
  for (const SafetensorsItem& item : items)
    for (int64_t r = 0; r < item.tensor.rows; ++r)
      file.write(
          static_cast<const std::byte*>(item.tensor.data) +
              r * item.tensor.stride *
                  static_cast<int64_t>(size_of(item.tensor.dtype)),
          static_cast<size_t>(item.tensor.cols) * size_of(item.tensor.dtype));
  file.commit();
}

}  // namespace seodang
