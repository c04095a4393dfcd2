// The tokenizers of the open families, each with its vocabulary cut down, and
// what Hugging Face's own library makes of many lines with them. The files come
// from compare/make_families.mjs.
#include <nlohmann/json.hpp>

#include "formats/json.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Ids = std::vector<int32_t>;

const fs::path kFamilies = kTokenizerData / "families";

Ids ids_of(const std::string& text) {
  Ids ids;
  std::istringstream stream(text);
  for (int32_t id; stream >> id;) ids.push_back(id);
  return ids;
}

void expect_lines(const Tokenizer& tokenizer, const json& lines) {
  ASSERT_FALSE(lines.empty());
  for (const json& line : lines) {
    const std::string ids = line[1];
    if (line[0].is_string()) {
      ASSERT_EQ(fmt::format(
                    "{}", fmt::join(tokenizer.encode(line[0].get<std::string>(),
                                                     {.parse_special = true}),
                                    " ")),
                ids)
          << line[0];
    }
    ASSERT_EQ(tokenizer.decode(ids_of(ids), false), line[2]) << ids;
    ASSERT_EQ(tokenizer.decode(ids_of(ids), true), line[3]) << ids;
  }
}

class Family : public testing::TestWithParam<const char*> {
 protected:
  const fs::path dir_ = kFamilies / GetParam();
  const json lines_ = read_json(dir_ / "lines.json");
};

TEST_P(Family, GivesTheIdsAndTextsOfHuggingFacesLibrary) {
  expect_lines(Tokenizer::load(dir_), lines_);
}

TEST_P(Family, IsTheSameAfterSaving) {
  const fs::path dir = scratch();
  Tokenizer::load(dir_).save(dir);
  expect_lines(Tokenizer::load(dir), lines_);
  json before = read_json(dir_ / "tokenizer.json");
  json after = read_json(dir / "tokenizer.json");
  for (const char* part : {"normalizer", "pre_tokenizer", "post_processor",
                           "decoder", "added_tokens"})
    EXPECT_EQ(before[part], after[part]) << part;
  EXPECT_EQ(before["model"]["vocab"], after["model"]["vocab"]);
  EXPECT_EQ(before["model"]["merges"].size(), after["model"]["merges"].size());
}

// What streams to a reader, token by token, is the text.
TEST_P(Family, TokensJoinedAreTheText) {
  const Tokenizer tokenizer = Tokenizer::load(dir_);
  const std::string text =
      " 나는 아침에 밥을 \t뷁 👩‍🚀 x\n\n\n  y<s>";
  std::string joined;
  for (int32_t id : tokenizer.encode(text)) {
    EXPECT_FALSE(tokenizer.is_special(id)) << id;
    joined += tokenizer.token_bytes(id);
  }
  if (joined.starts_with("  ")) joined.erase(0, 1);  // the one put before
  EXPECT_EQ(joined, text);
}

INSTANTIATE_TEST_SUITE_P(All, Family,
                         testing::Values("llama-2", "llama-3.2", "mistral-7b",
                                         "mistral-nemo", "gemma-1", "gemma-3",
                                         "qwen-3"),
                         [](const auto& family) {
                           std::string name = family.param;
                           std::erase_if(name, [](char c) {
                             return c == '-' || c == '.';
                           });
                           return name;
                         });

TEST(Families, SentencePieceModelsAreTheSameTokenizer) {
  for (const char* name : {"llama-2", "gemma-3"}) {
    const fs::path dir = scratch();
    fs::copy_file(kFamilies / name / "tokenizer.model",
                  dir / "tokenizer.model");
    const Tokenizer tokenizer = Tokenizer::load(dir);
    expect_lines(tokenizer, read_json(kFamilies / name / "lines.json"));
    const bool llama = std::string(name) == "llama-2";
    EXPECT_EQ(tokenizer.bos_token_id(),
              tokenizer.find(llama ? "<s>" : "<bos>"));
    EXPECT_EQ(tokenizer.eos_token_id(),
              tokenizer.find(llama ? "</s>" : "<eos>"));
  }
}

TEST(Families, PartsThatTheyDoNotUse) {
  for (const json& variant : read_json(kFamilies / "parts.json")) {
    const std::string base = variant["base"];
    json file = read_json(kFamilies / base / "tokenizer.json");
    file.update(variant["change"]);
    file["model"].update(variant["options"]);
    const fs::path dir = scratch();
    write_file(dir / "tokenizer.json", file.dump());
    SCOPED_TRACE(variant["change"].dump().substr(0, 2000) +
                 variant["options"].dump());
    expect_lines(Tokenizer::load(dir), variant["lines"]);
  }
}

}  // namespace
}  // namespace seodang
