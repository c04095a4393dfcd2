// The families' tokenizers through a GGUF file: with tokenizer.json in it, and
// from the arrays alone, as other programs write them.
#include "tokenizer/gguf_tokenizer.h"

#include <nlohmann/json.hpp>

#include "error_of.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kFamilies = kTokenizerData / "families";

Tokenizer through_gguf(const char* family, bool arrays_only) {
  const fs::path dir = kFamilies / family;
  const int64_t size = Tokenizer::load(dir).vocab_size();
  GgufMetadata metadata = gguf_vocabulary(dir, size + 3).metadata;
  if (arrays_only)
    std::erase_if(metadata, [](const auto& entry) {
      return entry.first == "tokenizer.huggingface.json";
    });
  const fs::path path = scratch() / "vocabulary.gguf";
  GgufWriter(path, metadata, {}).commit();
  return read_gguf_tokenizer(GgufFile(path));
}

void expect_lines(const Tokenizer& tokenizer, const char* family) {
  for (const json& line : read_json(kFamilies / family / "lines.json"))
    if (line[0].is_string()) {
      ASSERT_EQ(fmt::format(
                    "{}", fmt::join(tokenizer.encode(line[0].get<std::string>(),
                                                     false, true),
                                    " ")),
                line[1])
          << family << ": " << line[0];
    }
}

TEST(GgufTokenizer, CarriesEveryFamily) {
  for (const char* family : {"llama-2", "llama-3.2", "mistral-7b",
                             "mistral-nemo", "gemma-1", "gemma-3", "qwen-3"})
    expect_lines(through_gguf(family, false), family);
}

TEST(GgufTokenizer, ReadsTheArraysAlone) {
  for (const char* family : {"llama-2", "llama-3.2", "qwen-3"})
    expect_lines(through_gguf(family, true), family);
}

TEST(GgufTokenizer, RefusesByName) {
  const auto said = [](const GgufMetadata& metadata) {
    const fs::path path = scratch() / "bad.gguf";
    GgufWriter(path, metadata, {}).commit();
    return error_of([&] { read_gguf_tokenizer(GgufFile(path)); });
  };
  const auto tokens = std::pair{std::string("tokenizer.ggml.tokens"),
                                GgufValue::array({"a", "b"})};
  const auto kind = [](const char* name) {
    return std::pair{std::string("tokenizer.ggml.model"),
                     GgufValue::string(name)};
  };
  EXPECT_NE(said({}).find("tokenizer.ggml.tokens is missing"),
            std::string::npos);
  EXPECT_NE(said({tokens, kind("t5")}).find("model \"t5\" is not supported"),
            std::string::npos);
  EXPECT_NE(said({tokens,
                  kind("gpt2"),
                  {"tokenizer.ggml.pre", GgufValue::string("superbpe")}})
                .find("pre \"superbpe\" is not supported"),
            std::string::npos);
  EXPECT_NE(said({tokens, kind("llama")}).find("scores has 0 entries"),
            std::string::npos);
  EXPECT_NE(said({tokens,
                  kind("gpt2"),
                  {"tokenizer.ggml.token_type", GgufValue::i32_array({1})}})
                .find("token_type has 1 entries"),
            std::string::npos);
  EXPECT_NE(said({tokens,
                  kind("gpt2"),
                  {"tokenizer.ggml.bos_token_id", GgufValue::u32(7)}})
                .find("bos_token_id 7 is outside"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
