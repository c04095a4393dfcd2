#include "tokenizer/sentencepiece.h"

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::string whole_file() {
  return read_file(kTokenizerData / "families/llama-2/tokenizer.model");
}

// A message of protocol buffers, field by field.
std::string number_field(int field, int value) {
  return {static_cast<char>(field << 3), static_cast<char>(value)};
}
std::string text_field(int field, const std::string& text) {
  return std::string{static_cast<char>(field << 3 | 2),
                     static_cast<char>(text.size())} +
         text;
}
std::string piece(const std::string& text, int type, float score = 0) {
  char bits[4];
  std::memcpy(bits, &score, 4);
  return text_field(1, text_field(1, text) + std::string("\x15") +
                           std::string(bits, 4) + number_field(3, type));
}

const std::string kBpe = text_field(2, number_field(3, 2));
const std::string kKeepSpaces = text_field(3, number_field(4, 0));

std::string refusal(const std::string& file) {
  const std::string message = message_of([&] {
    tokenizer_of_pieces(parse_sentencepiece(file, "t.model"), false);
  });
  EXPECT_EQ(message.find('\n'), std::string::npos);
  return message;
}

TEST(SentencePiece, ReadsPiecesAndTheirKinds) {
  const SentencePieceModel model =
      parse_sentencepiece(piece("<unk>", 2) + piece("<s>", 3) +
                              piece("ab", 1, -1.5F) + kBpe + kKeepSpaces,
                          "t.model");
  ASSERT_EQ(model.pieces.size(), 3u);
  EXPECT_EQ(model.pieces[2].text, "ab");
  EXPECT_EQ(model.pieces[2].score, -1.5F);
  EXPECT_EQ(model.pieces[1].type, PieceType::control);
  EXPECT_EQ(model.unk_token, "<unk>");
  EXPECT_EQ(model.bos_token, "<s>");  // piece 1, unless the file says otherwise
  EXPECT_TRUE(model.add_dummy_prefix);
}

// Without an unknown piece and without bytes, what cannot be spelled is left
// out, be it all of the text.
TEST(SentencePiece, ATextOfUnknownCharactersIsEmpty) {
  const Tokenizer tokenizer(tokenizer_of_pieces(
      parse_sentencepiece(piece("<s>", 3) + piece("</s>", 3) + piece("a", 1) +
                              kBpe + kKeepSpaces,
                          "t.model"),
      false));
  EXPECT_TRUE(tokenizer.encode("한", {}).empty());
  EXPECT_TRUE(tokenizer.encode("한국어를 모르는", {}).empty());
  EXPECT_EQ(tokenizer.encode("가a나", {}), (std::vector<int32_t>{2}));
}

// Against sentencepiece itself, with its own defaults
// (data/make_sentencepiece.py).
TEST(SentencePiece, RemovesExtraSpaces) {
  const fs::path dir = kTokenizerData / "extra-spaces";
  const Tokenizer tokenizer = Tokenizer::load(dir);
  for (const auto& line : read_json(dir / "lines.json"))
    EXPECT_EQ(tokenizer.encode(line[0].get<std::string>(), {}),
              line[1].get<std::vector<int32_t>>())
        << line[0];
  // And what is saved is the same tokenizer.
  const fs::path saved = scratch();
  tokenizer.save(saved);
  EXPECT_EQ(Tokenizer::load(saved).encode("  a  b ", {}),
            tokenizer.encode("a b", {}));
}

// The best score goes first, not the longest nor the first in the file.
TEST(SentencePiece, MergesByScore) {
  const std::string file =
      piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) +
      piece("a", 1, -9) + piece("b", 1, -9) + piece("c", 1, -9) +
      piece("ab", 1, -2) + piece("bc", 1, -1) + piece("abc", 1, -3) + kBpe +
      text_field(3, number_field(3, 0) + number_field(4, 0));
  const Tokenizer tokenizer(
      tokenizer_of_pieces(parse_sentencepiece(file, "t.model"), false));
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(tokenizer.encode("ab"), Ids{6});
  EXPECT_EQ(tokenizer.encode("abc"), Ids{8});           // a + bc
  EXPECT_EQ(tokenizer.encode("abcb"), (Ids{8, 4}));     // bc before ab
  EXPECT_EQ(tokenizer.encode("aXYb"), (Ids{3, 0, 4}));  // unknown, fused
  EXPECT_EQ(tokenizer.encode("a<s>", {.add_special_tokens = true}),
            (Ids{1, 3, 0}));
  EXPECT_EQ(tokenizer.encode(
                "a<s>", {.add_special_tokens = true, .parse_special = true}),
            (Ids{1, 3, 1}));
}

TEST(SentencePiece, RefusesByNameWhatItDoesNotUnderstand) {
  const std::string pieces = piece("<unk>", 2) + piece("a", 1);
  const std::pair<std::string, const char*> cases[] = {
      {"", "t.model: not a SentencePiece model"},
      {"{\"version\": 1}", "not a SentencePiece model"},
      {pieces + kKeepSpaces, "model type unigram is not supported"},
      {pieces + text_field(2, number_field(3, 4)), "model type char"},
      {pieces + kBpe +
           text_field(3, number_field(4, 0) + text_field(2, "nmt_nfkc")),
       "a normalizer with a character map"},
      {pieces + kBpe + text_field(3, number_field(4, 0) + number_field(5, 0)),
       "escape_whitespaces"},
      {pieces + piece("b", 5) + kBpe + kKeepSpaces, "piece 2"},
      {pieces + piece("b", 9) + kBpe + kKeepSpaces, "piece 2 has type 9"},
      {pieces + piece("", 1) + kBpe + kKeepSpaces, "piece 2 is empty"},
      {pieces + piece("\xED\x95", 1) + kBpe + kKeepSpaces, "not UTF-8"},
      {pieces + piece("b", 1, NAN) + kBpe + kKeepSpaces, "has no score"},
      {text_field(1, number_field(1, 5)) + kBpe, "field 1 is of a wrong kind"},
      {"\x0A\x7F", "cut short"},
      {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "not a Sentence"},
  };
  for (const auto& [file, says] : cases)
    EXPECT_NE(refusal(file).find(says), std::string::npos)
        << says << ": " << refusal(file);
}

TEST(SentencePiece, TruncatedAndDamagedFilesNeverCrash) {
  const std::string whole = whole_file();
  Rng rng(4);
  for (int i = 0; i < 300; ++i) {
    std::string file = whole.substr(0, i % 2 ? whole.size() : 97 * i);
    for (int k = 0; k < i % 7; ++k)
      if (!file.empty())
        file[rng.below(file.size())] = static_cast<char>(rng.below(256));
    try {
      Tokenizer(tokenizer_of_pieces(parse_sentencepiece(file, "t"), i % 3 == 0))
          .encode("한국어 the  children\n123");
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

// transformers writes tokens that were added to a model into other files.
TEST(SentencePiece, TakesAddedTokensFromTheFilesBeside) {
  const fs::path dir = scratch();
  write_file(dir / "tokenizer.model", whole_file());
  const int32_t size = Tokenizer::load(dir).vocab_size();
  write_file(dir / "added_tokens.json",
             fmt::format(R"({{"<|im_end|>": {}}})", size));
  Tokenizer tokenizer = Tokenizer::load(dir);
  EXPECT_EQ(tokenizer.find("<|im_end|>"), size);
  EXPECT_FALSE(tokenizer.is_special(size));
  write_file(dir / "tokenizer_config.json",
             fmt::format(R"({{"legacy": false, "added_tokens_decoder": {{
                 "1": {{"content": "<s>", "special": true, "lstrip": true}},
                 "{}": {{"content": "<|im_start|>", "special": true}}}}}})",
                         size));
  tokenizer = Tokenizer::load(dir);
  EXPECT_TRUE(tokenizer.is_special(size));
  // No space again after a special token, and the one before it is its own.
  EXPECT_EQ(tokenizer.encode("<s>a", {.parse_special = true}).size(), 2u);
  EXPECT_EQ(tokenizer.encode("  <s>", {.parse_special = true}).size(), 1u);
  write_file(dir / "tokenizer_config.json",
             R"({"added_tokens_decoder": {"one": {"content": "x"}}})");
  EXPECT_NE(message_of([&] {
              Tokenizer::load(dir);
            }).find("added_tokens_decoder: \"one\" is not a token id"),
            std::string::npos);
  write_file(dir / "tokenizer_config.json",
             R"({"added_tokens_decoder": {"1": {"content": "x"}}})");
  EXPECT_NE(message_of([&] {
              Tokenizer::load(dir);
            }).find("id 1 of \"x\" belongs to another token"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
