// The families' tokenizers through a GGUF file: with tokenizer.json in it, and
// from the arrays alone, as other programs write them.
#include "tokenizer/gguf_tokenizer.h"

#include <nlohmann/json.hpp>

#include "error_of.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/gguf_pre_type.h"

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
                                                     {.parse_special = true}),
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
  for (const char* family : {"llama-2", "llama-3.2", "mistral-7b",
                             "mistral-nemo", "gemma-3", "qwen-3"})
    expect_lines(through_gguf(family, true), family);
}

// `change` alters the metadata of a family's file.
Tokenizer changed(const char* family, const auto& change) {
  const fs::path dir = kFamilies / family;
  GgufMetadata metadata =
      gguf_vocabulary(dir, Tokenizer::load(dir).vocab_size()).metadata;
  change(metadata);
  const fs::path path = scratch() / "vocabulary.gguf";
  GgufWriter(path, metadata, {}).commit();
  return read_gguf_tokenizer(GgufFile(path));
}

void set(GgufMetadata& metadata, const std::string& key, GgufValue value) {
  for (auto& [name, old] : metadata)
    if (name == key) old = value;
}

const std::string kPre = "tokenizer.ggml.pre";

// Against llama.cpp (data/make_pre_types.mjs).
TEST(GgufTokenizer, CutsAsItsPreSays) {
  const json file = read_json(kTokenizerData / "pre_types.json");
  for (const auto& [pre, lines] : file.items()) {
    const Tokenizer tokenizer =
        changed("llama-3.2", [&, name = pre](GgufMetadata& metadata) {
          set(metadata, kPre, GgufValue::string(name));
        });
    const bool composes = find_gguf_pre_type(pre)->normalizer != "null";
    for (const json& line : lines) {
      // Qwen's tokenizer.json composes letters and marks, as we do; llama.cpp
      // does not.
      if (composes &&
          line[0].get<std::string>().find("e\u0301") != std::string::npos)
        continue;
      EXPECT_EQ(
          fmt::format(
              "{}",
              fmt::join(tokenizer.encode(line[0].get<std::string>(), {}), " ")),
          line[1])
          << pre << ": " << line[0];
    }
  }
}

TEST(GgufTokenizer, KnowsThePresByTheirOtherNames) {
  const auto ids = [](const char* pre) {
    return changed("llama-3.2",
                   [&](GgufMetadata& metadata) {
                     set(metadata, kPre, GgufValue::string(pre));
                   })
        .encode("a;\n\n 1234 U.S.A.", {.add_special_tokens = true});
  };
  for (const char* name : {"llama3", "llama-v3", "midm-2.0"})
    EXPECT_EQ(ids(name), ids("llama-bpe")) << name;
}

TEST(GgufTokenizer, GuessesAMissingPreFromTheVocabularyAndSaysSo) {
  for (const char* family : {"llama-3.2", "mistral-nemo", "qwen-3"}) {
    testing::internal::CaptureStderr();
    const Tokenizer guessed = changed(family, [](GgufMetadata& metadata) {
      std::erase_if(metadata,
                    [](const auto& entry) { return entry.first == kPre; });
    });
    EXPECT_NE(testing::internal::GetCapturedStderr().find(
                  "warning: " + (scratch() / "vocabulary.gguf").string() +
                  ": tokenizer.ggml.pre is missing"),
              std::string::npos);
    expect_lines(guessed, family);
  }
}

TEST(GgufTokenizer, WritesThePreOfItsFamily) {
  const auto pre = [](const char* family) {
    const fs::path dir = kFamilies / family;
    for (const auto& [key, value] :
         gguf_vocabulary(dir, Tokenizer::load(dir).vocab_size()).metadata)
      if (key == kPre) return value.strings.at(0);
    return std::string();
  };
  EXPECT_EQ(pre("llama-3.2"), "llama-bpe");
  EXPECT_EQ(pre("mistral-nemo"), "tekken");
  EXPECT_EQ(pre("qwen-3"), "qwen2");
}

// llama.cpp obeys the flag; without one it goes by the kind of the tokenizer
// and its pre.
TEST(GgufTokenizer, PutsAroundATextWhatTheFileSaysOrItsKindDoes) {
  const auto ids = [](const char* family, std::vector<std::string> without,
                      const GgufMetadata& with) {
    const Tokenizer tokenizer = changed(family, [&](GgufMetadata& metadata) {
      std::erase_if(metadata, [&](const auto& entry) {
        return std::find(without.begin(), without.end(), entry.first) !=
               without.end();
      });
      for (const auto& [key, value] : with) metadata.emplace_back(key, value);
    });
    std::string out;
    for (const int32_t id : tokenizer.encode("a", {.add_special_tokens = true}))
      out += id == tokenizer.bos_token_id()   ? "bos "
             : id == tokenizer.eos_token_id() ? "eos "
                                              : "a ";
    return out;
  };
  const std::string bos = "tokenizer.ggml.add_bos_token",
                    eos = "tokenizer.ggml.add_eos_token";
  const auto yes = GgufValue::boolean(true), no = GgufValue::boolean(false);
  EXPECT_EQ(ids("llama-3.2", {}, {}), "bos a ");
  EXPECT_EQ(ids("llama-3.2", {bos}, {}), "bos a ");  // its pre says so
  EXPECT_EQ(ids("llama-3.2", {bos}, {{bos, no}}), "a ");
  EXPECT_EQ(ids("llama-2", {bos}, {}), "bos a ");  // SentencePiece
  EXPECT_EQ(ids("llama-2", {bos, eos},
                {{bos, no},
                 {eos, yes},
                 {"tokenizer.ggml.eos_token_id", GgufValue::u32(2)}}),
            "a eos ");
  // Published Qwen files name a bos that nothing puts before a text.
  const std::string id = "tokenizer.ggml.bos_token_id";
  EXPECT_EQ(ids("qwen-3", {bos}, {{id, GgufValue::u32(0)}}), "a ");
  EXPECT_EQ(ids("qwen-3", {bos}, {{id, GgufValue::u32(0)}, {bos, no}}), "a ");
  EXPECT_EQ(ids("qwen-3", {bos}, {{id, GgufValue::u32(0)}, {bos, yes}}),
            "bos a ");
}

TEST(GgufTokenizer, CarriesWhatStandsAroundAText) {
  const fs::path files = scratch(), dir = files / "model",
                 path = files / "vocabulary.gguf";
  for (const bool bos : {false, true})
    for (const bool eos : {false, true}) {
      fs::remove_all(dir);
      fs::copy(kFamilies / "llama-2", dir);
      write_file(dir / "tokenizer_config.json", json{{"bos_token", "<s>"},
                                                     {"eos_token", "</s>"},
                                                     {"add_bos_token", bos},
                                                     {"add_eos_token", eos}}
                                                    .dump());
      const Tokenizer from = Tokenizer::load(dir);
      GgufWriter(path, gguf_vocabulary(dir, from.vocab_size()).metadata, {})
          .commit();
      const Tokenizer to = read_gguf_tokenizer(GgufFile(path));
      const auto ids = to.encode("a", {.add_special_tokens = true});
      EXPECT_EQ(ids, from.encode("a", {.add_special_tokens = true}));
      EXPECT_EQ(ids.front() == to.bos_token_id(), bos);
      EXPECT_EQ(ids.back() == to.eos_token_id(), eos);
    }
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
