// GGUF files put together byte by byte, as the specification has them.
#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "error_of.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
  return fs::path(testing::TempDir()) / ("seodang_gguf_" + name);
}

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string text(const std::string& value) {
  return raw(uint64_t{value.size()}) + value;
}

struct Parts {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::string keys = text("general.architecture") + raw(8u) +
                     text("llama") +                                      //
                     text("a.count") + raw(4u) + raw(7u) +                //
                     text("a.big") + raw(10u) + raw(uint64_t{1} << 40) +  //
                     text("a.small") + raw(1u) + raw(int8_t{-5}) +        //
                     text("a.real") + raw(6u) + raw(0.5f) +               //
                     text("a.flag") + raw(7u) + raw(uint8_t{1}) +         //
                     text("a.texts") + raw(9u) + raw(8u) + raw(uint64_t{2}) +
                     text("가") + text("") +  //
                     text("a.numbers") + raw(9u) + raw(5u) + raw(uint64_t{2}) +
                     raw(-1) + raw(3);
  uint64_t key_count = 8;
  // m (2, 32) Q8_0 at 0: 68 bytes; v (3) F32 at 96.
  std::string tensors = text("m") + raw(2u) + raw(uint64_t{32}) +
                        raw(uint64_t{2}) + raw(8u) + raw(uint64_t{0}) +
                        text("v") + raw(1u) + raw(uint64_t{3}) + raw(0u) +
                        raw(uint64_t{96});
  uint64_t tensor_count = 2;
  size_t data = 108;

  std::string file() const {
    std::string out = magic + raw(version) + raw(tensor_count) +
                      raw(key_count) + keys + tensors;
    out.resize((out.size() + 31) / 32 * 32);
    std::string numbers(data, '\0');
    const float v[] = {1, 2, 3};
    if (data >= 108) std::memcpy(numbers.data() + 96, v, sizeof v);
    return out + numbers;
  }
};

fs::path written(const std::string& bytes) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const fs::path path = scratch(std::string(test->name()) + ".gguf");
  std::ofstream(path, std::ios::binary) << bytes;  // no fsync: many of them
  return path;
}

std::string refusal(const std::string& bytes) {
  return error_of([&] { GgufFile file(written(bytes)); });
}

TEST(Gguf, ReadsWhatTheSpecificationDescribes) {
  for (const uint32_t version : {2u, 3u}) {
    Parts parts;
    parts.version = version;
    const GgufFile file(written(parts.file()));
    EXPECT_EQ(file.text("general.architecture"), "llama");
    EXPECT_EQ(file.integer("a.count"), 7);
    EXPECT_EQ(file.integer("a.big"), int64_t{1} << 40);
    EXPECT_EQ(file.integer("a.small"), -5);
    EXPECT_EQ(file.real("a.real"), 0.5);
    EXPECT_TRUE(file.flag("a.flag", false));
    EXPECT_EQ(file.texts("a.texts"), (std::vector<std::string>{"가", ""}));
    EXPECT_EQ(file.integers("a.numbers"), (std::vector<int64_t>{-1, 3}));
    EXPECT_EQ(file.integer("absent", 9), 9);
    EXPECT_TRUE(file.texts("absent").empty());
    const Tensor v = file.tensor("v", {3});
    EXPECT_EQ(v.rows, 1);
    EXPECT_EQ(v.row<float>(0)[2], 3.0f);
    const Tensor m = file.tensor("m", {2, 32});
    EXPECT_EQ(m.dtype, Dtype::q8_0);
    EXPECT_EQ(static_cast<const std::byte*>(m.rows_from(1, 1).data) -
                  static_cast<const std::byte*>(m.data),
              34);
  }
}

TEST(Gguf, SaysWhichKeyOrTensorIsWrong) {
  const GgufFile file(written(Parts().file()));
  const auto said = [&](auto&& action, const char* what) {
    EXPECT_NE(error_of(action).find(what), std::string::npos)
        << error_of(action);
  };
  said([&] { file.integer("gone"); }, "key gone is missing");
  said([&] { file.text("a.count"); }, "key a.count is not a text");
  said([&] { file.integer("a.texts"); }, "key a.texts is not a whole number");
  said([&] { file.texts("a.numbers"); }, "not a list of texts");
  said([&] { file.tensor("w", {1}); }, "tensor w is missing");
  said([&] { file.tensor("v", {4}); }, "tensor v has shape [3]");
}

TEST(Gguf, RefusesHostileFiles) {
  const auto refused = [](auto&& change, const char* what) {
    Parts parts;
    change(parts);
    const std::string message = refusal(parts.file());
    EXPECT_NE(message.find(what), std::string::npos)
        << "[" << message << "] for " << what;
  };
  const auto tensor = [](const std::string& dims, uint32_t type,
                         uint64_t offset) {
    return text("t") + dims + raw(type) + raw(offset);
  };
  const auto one = raw(1u);
  refused([](Parts& p) { p.magic = "GGML"; }, "not a GGUF file");
  refused([](Parts& p) { p.version = 1; }, "version 1");
  refused([](Parts& p) { p.version = 3u << 24; }, "big-endian");
  refused([](Parts& p) { p.key_count = 1ull << 60; }, "absurd");
  refused([](Parts& p) { p.tensor_count = 1ull << 60; }, "absurd");
  refused([](Parts& p) { p.key_count += 1; }, "list of tensors");
  refused([](Parts& p) { p.keys += p.keys, p.key_count *= 2; }, "twice");
  refused([&](Parts& p) { p.keys = raw(~uint64_t{0}), p.key_count = 1; },
          "truncated");
  refused(
      [&](Parts& p) {
        p.keys = text("k") + raw(8u) + raw(uint64_t{1} << 62);
        p.key_count = 1;
      },
      "key k");
  refused(
      [&](Parts& p) {
        p.keys = text("k") + raw(9u) + raw(4u) + raw(uint64_t{1} << 62);
        p.key_count = 1;
      },
      "key k: an array of");
  refused(
      [&](Parts& p) {
        p.keys = text("k") + raw(9u);
        for (int i = 0; i < 20; ++i) p.keys += raw(9u) + raw(uint64_t{1});
        p.key_count = 1;
      },
      "deeper than 8");
  refused(
      [&](Parts& p) {
        p.keys = text("k") + raw(9u) + raw(9u) + raw(uint64_t{1}) + raw(4u) +
                 raw(uint64_t{1} << 40);
        p.key_count = 1;
      },
      "does not fit the file");
  refused([&](Parts& p) { p.keys = text("k") + raw(77u), p.key_count = 1; },
          "value type 77");
  refused(
      [&](Parts& p) {
        p.keys = text("bad\nkey") + raw(4u) + raw(1u);
        p.key_count = 1;
      },
      "not a name in ASCII");
  for (const uint32_t alignment : {0u, 7u, 1u << 30})
    refused(
        [&](Parts& p) {
          p.keys = text("general.alignment") + raw(4u) + raw(alignment);
          p.key_count = 1;
        },
        "alignment");
  const auto with = [&](const std::string& entry) {
    return [&, entry](Parts& p) { p.tensors = entry, p.tensor_count = 1; };
  };
  refused(with(tensor(raw(0u), 0, 0)), "0 dimensions");
  refused(with(tensor(raw(5u), 0, 0)), "5 dimensions");
  refused(with(tensor(one + raw(uint64_t{0}), 0, 0)), "shape is absurd");
  refused(with(tensor(one + raw(~uint64_t{0}), 0, 0)), "shape is absurd");
  refused(with(tensor(raw(2u) + raw(uint64_t{1} << 32) + raw(uint64_t{1} << 32),
                      0, 0)),
          "shape is absurd");
  refused(with(tensor(one + raw(uint64_t{256}), 23, 0)), "type IQ4_XS is not");
  refused(with(tensor(one + raw(uint64_t{8}), 77, 0)), "type 77 is not");
  refused(with(tensor(one + raw(uint64_t{8}), 6, 0)), "whole blocks of q5_0");
  refused(with(tensor(one + raw(uint64_t{33}), 8, 0)), "whole blocks");
  refused(with(tensor(one + raw(uint64_t{8}), 0, 8)), "not a multiple of 32");
  refused(with(tensor(one + raw(uint64_t{8}), 0, 128)), "outside");
  refused(with(tensor(one + raw(uint64_t{8}), 0, ~uint64_t{31})), "outside");
  refused(with(tensor(one + raw(uint64_t{1} << 40), 0, 0)), "outside");
  refused(
      [&](Parts& p) {
        p.tensors = tensor(one + raw(uint64_t{16}), 0, 0) + text("u") + one +
                    raw(uint64_t{8}) + raw(0u) + raw(uint64_t{32});
      },
      "overlaps");
  refused(
      [&](Parts& p) {
        p.tensors = tensor(one + raw(uint64_t{8}), 0, 0) +
                    tensor(one + raw(uint64_t{8}), 0, 32);
      },
      "twice");
  refused(with(text(std::string(65, 'n')) + one + raw(uint64_t{8}) + raw(0u) +
               raw(uint64_t{0})),
          "longer than 64");
  refused(
      [&](Parts& p) {
        p.keys += text("split.count") + raw(2u) + raw(uint16_t{3});
        p.key_count += 1;
      },
      "one of 3 shards");
}

// What nobody asks for may hold anything that the format can say.
TEST(Gguf, SkipsWhatNobodyReads) {
  Parts parts;
  parts.keys += text("nested") + raw(9u) + raw(9u) + raw(uint64_t{2}) +
                raw(4u) + raw(uint64_t{1}) + raw(5u) + raw(8u) +
                raw(uint64_t{1}) + text("x");
  parts.keys += text("huge") + raw(10u) + raw(~uint64_t{0});
  parts.keys += text("odd") + raw(7u) + raw(uint8_t{2});
  parts.key_count += 3;
  const GgufFile file(written(parts.file()));
  EXPECT_EQ(file.integer("a.count"), 7);
  const auto said = [&](auto&& action, const char* what) {
    EXPECT_NE(error_of(action).find(what), std::string::npos)
        << error_of(action);
  };
  said([&] { file.integers("nested"); }, "nested is not a list of whole");
  said([&] { file.texts("nested"); }, "nested is not a list of texts");
  said([&] { file.integer("huge"); }, "huge is over 9223372036854775807");
  said([&] { file.flag("odd", true); }, "odd is not true or false");
}

// Three shards as llama-gguf-split writes them: all metadata in the first.
TEST(Gguf, OpensShardsAsOne) {
  const fs::path dir = scratch("parts");
  fs::create_directories(dir);
  // Part n holds a tensor of n numbers: t, u or v.
  const auto part = [&](int number) {
    Parts parts;
    const std::string name = std::string(1, static_cast<char>('s' + number));
    if (number > 1) parts.keys.clear(), parts.key_count = 0;
    parts.keys += text("split.no") + raw(2u) +
                  raw(static_cast<uint16_t>(number - 1)) + text("split.count") +
                  raw(2u) + raw(uint16_t{3}) + text("split.tensors.count") +
                  raw(5u) + raw(int32_t{3});
    parts.key_count += 3;
    parts.tensors = text(name) + raw(1u) + raw(static_cast<uint64_t>(number)) +
                    raw(0u) + raw(uint64_t{96});
    parts.tensor_count = 1;
    return parts;
  };
  const auto path = [&](int number) {
    return dir / fmt::format("model-{:05}-of-00003.gguf", number);
  };
  const auto write = [&](int number, const Parts& parts) {
    std::ofstream(path(number), std::ios::binary) << parts.file();
  };
  for (int number = 1; number <= 3; ++number) write(number, part(number));
  for (int given = 1; given <= 3; ++given) {  // whichever is named
    const GgufFile file(path(given));
    EXPECT_EQ(file.text("general.architecture"), "llama");
    EXPECT_EQ(file.tensors().size(), 3u);
    EXPECT_EQ(file.tensor("t", {1}).row<float>(0)[0], 1.0f);
    EXPECT_EQ(file.tensor("v", {3}).row<float>(0)[2], 3.0f);
  }
  const auto said = [&](const char* what) {
    const std::string message = error_of([&] { GgufFile file(path(1)); });
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  fs::remove(path(3));
  said("model-00003-of-00003.gguf is missing, one of 3 shards");
  Parts same = part(3);
  same.tensors = part(2).tensors;
  write(3, same);
  said("tensor u: it is there twice");
  Parts other = part(2);
  other.tensors = part(3).tensors;
  write(3, other);
  said("shard 1 of 3 (counted from 0), its name says 3");
  Parts fewer = part(3);
  fewer.tensors.clear(), fewer.tensor_count = 0;
  write(3, fewer);
  said("2 tensors in 3 shards, split.tensors.count says 3");
}

TEST(Gguf, EveryTruncationIsAnError) {
  const std::string whole = Parts().file();
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_NE(refusal(whole.substr(0, size)), "") << size;
}

// What a changed byte may do is to be refused or to be read: nothing else.
TEST(Gguf, ChangedBytesNeverCrash) {
  const std::string whole = Parts().file();
  int refused = 0;
  for (size_t at = 0; at < whole.size(); ++at)
    for (const int change : {1, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      refused += !refusal(bytes).empty();
    }
  EXPECT_GT(refused, 100);
}

TEST(Gguf, WritesWhatItReads) {
  const fs::path path = scratch("written.gguf");
  fs::remove(path);
  const std::vector<float> v = {1, 2, 3};
  std::string blocks(68, '\x11');
  {
    GgufWriter writer(path,
                      {{"general.architecture", GgufValue::string("llama")},
                       {"n", GgufValue::u32(4'000'000'000)},
                       {"x", GgufValue::f32(0.25)},
                       {"b", GgufValue::boolean(true)},
                       {"texts", GgufValue::array({"a", "나"})},
                       {"ids", GgufValue::i32_array({-1, 2})},
                       {"scores", GgufValue::f32_array({-1.5, 0})}},
                      {{"v", Dtype::f32, {3}}, {"m", Dtype::q8_0, {2, 32}}});
    writer.write(std::as_bytes(std::span(v)));
    EXPECT_THROW(writer.commit(), std::logic_error);
    writer.write(std::as_bytes(std::span(blocks).first(34)));
    writer.write(std::as_bytes(std::span(blocks).subspan(34)));
    EXPECT_FALSE(fs::exists(path));
    writer.commit();
  }
  const GgufFile file(path);
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("n"), 4'000'000'000);
  EXPECT_EQ(file.real("x"), 0.25);
  EXPECT_TRUE(file.flag("b", false));
  EXPECT_EQ(file.texts("texts"), (std::vector<std::string>{"a", "나"}));
  EXPECT_EQ(file.integers("ids"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(file.reals("scores"), (std::vector<double>{-1.5, 0}));
  EXPECT_EQ(file.tensor("v", {3}).row<float>(0)[1], 2.0f);
  const Tensor m = file.tensor("m", {2, 32});
  EXPECT_EQ(std::memcmp(m.data, blocks.data(), 68), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(m.data) % 32, 0u);
}

}  // namespace
}  // namespace seodang
