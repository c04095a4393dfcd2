#include "tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"

namespace seodang {
namespace {

using nlohmann::json;

json good() { return read_json(kTokenizerData / "model/tokenizer.json"); }

std::string refusal(const json& file) {
  return message_of([&] { parse_tokenizer_json(file.dump(), "t.json"); });
}

// What is broken, and the part of the message that says so.
struct Case {
  const char* where;
  json value;
  const char* says;
};

TEST(TokenizerJson, RefusesByNameWhatItDoesNotUnderstand) {
  const Case cases[] = {
      {"/normalizer",
       {{"type", "Precompiled"}},
       "t.json: normalizer \"Precompiled\" is not supported"},
      {"/normalizer",
       {{"type", "Replace"}, {"content", ""}, {"pattern", {{"Glob", "*"}}}},
       "normalizer \"Replace\": pattern: key \"Glob\" is not supported"},
      {"/pre_tokenizer",
       {{"type", "BertPreTokenizer"}},
       "pre_tokenizer \"BertPreTokenizer\" is not supported"},
      {"/pre_tokenizer", 5, "pre_tokenizer: needs a string \"type\""},
      {"/pre_tokenizer",
       {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", 5}},
       "pre_tokenizer \"Metaspace\": prepend_scheme = 5 is not supported"},
      {"/pre_tokenizer", nullptr, "supported only together"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "Sideways",
       "behavior = \"Sideways\""},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(\n",
       "pattern \"(\\n\": missing closing parenthesis"},
      {"/pre_tokenizer/pretokenizers/2",
       {{"type", "Digits"}},
       "nothing may follow \"ByteLevel\""},
      {"/pre_tokenizer/pretokenizers/0/new_option", 1, "key \"new_option\""},
      {"/pre_tokenizer/pretokenizers/1/add_prefix_space", "yes",
       "add_prefix_space must be true or false"},
      {"/model/type", "Unigram", "model \"Unigram\" is not supported"},
      {"/model/dropout", 0.1, "dropout = 0.1"},
      {"/model/byte_fallback", 1, "byte_fallback must be true or false"},
      {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix = \"</w>\""},
      {"/model/vocab/한", 0, "twice"},
      {"/model/vocab/a", 70000, "id 70000 of \"a\" is beyond"},
      {"/model/vocab/a", -1, "the id of \"a\" is not a number"},
      {"/model/vocab/a", "x", "the id of \"a\" is not a number"},
      {"/model/vocab", 5, "model: needs an object \"vocab\""},
      {"/model/merges/0", "justone", "merge 0 is not two tokens"},
      {"/model/merges/0", {"a", "nosuch"}, "names \"nosuch\""},
      {"/model/merges/0", 5, "merge 0 is not two tokens"},
      {"/model/surprise", 5, "key \"surprise\""},
      {"/post_processor",
       {{"type", "BertProcessing"}},
       "post_processor \"BertProcessing\" is not supported"},
      {"/decoder",
       {{"type", "WordPiece"}},
       "decoder \"WordPiece\" is not supported"},
      {"/added_tokens/0/lstrip", "left", "lstrip must be true or false"},
      {"/decoder",
       {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}},
       "decoder \"Strip\": start = -1 is not an integer"},
      {"/added_tokens/0/id", 4000000000, "is not a token id"},
      {"/added_tokens/0/id", 9999, "have no token"},
      {"/added_tokens/0/content", "", "is empty"},
      {"/added_tokens/0/id", 5, "belongs to another token"},
      {"/added_tokens/0/content", "a", "\"a\" has the ids "},
      {"/surprise", 1, "the file: key \"surprise\" is not supported"},
  };
  for (const Case& broken : cases) {
    json file = good();
    file[json::json_pointer(broken.where)] = broken.value;
    const std::string message = refusal(file);
    EXPECT_NE(message.find(broken.says), std::string::npos)
        << broken.where << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(TokenizerJson, AcceptsTheShapesThatLlama3FilesHave) {
  json file = good();
  file["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       json::array({{{"type", "ByteLevel"}, {"trim_offsets", false}},
                    file["post_processor"]})}};
  for (auto& merge : file["model"]["merges"]) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  file.erase("truncation");
  const TokenizerSpec spec = parse_tokenizer_json(file.dump(), "t.json");
  const TokenizerSpec plain = parse_tokenizer_json(good().dump(), "t.json");
  EXPECT_EQ(spec.tokens, plain.tokens);
  EXPECT_EQ(spec.merges, plain.merges);
  EXPECT_EQ(spec.bos_token, "<|begin_of_text|>");
  EXPECT_EQ(json::parse(write_tokenizer_json(spec))["post_processor"],
            file["post_processor"]);
}

TEST(TokenizerJson, EveryTruncationIsOneLine) {
  const std::string text = good().dump();
  for (size_t size = 0; size < text.size(); size += 97) {
    const std::string message = message_of(
        [&] { parse_tokenizer_json(text.substr(0, size), "t.json"); });
    EXPECT_EQ(message.rfind("t.json:1: not ", 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(TokenizerJson, DamagedBytesNeverCrash) {
  const auto dir = scratch();
  const std::string whole = read_file(kTokenizerData / "model/tokenizer.json");
  Rng rng(9);
  for (int i = 0; i < 150; ++i) {
    std::string text = whole;
    for (int k = 0; k < 3; ++k)
      text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    write_file(dir / "tokenizer.json", text);
    try {
      Tokenizer::load(dir).encode("한국어 the children 123");
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(TokenizerJson, DamagedFamiliesNeverCrash) {
  const auto dir = scratch();
  Rng rng(10);
  for (const char* family : {"llama-2", "gemma-3"}) {
    const std::string whole =
        read_file(kTokenizerData / "families" / family / "tokenizer.json");
    for (int i = 0; i < 60; ++i) {
      std::string text = whole;
      for (int k = 0; k < 3; ++k)
        text[rng.below(text.size())] = "0123456789\"[]{},:ae "[rng.below(20)];
      write_file(dir / "tokenizer.json", text);
      try {
        const Tokenizer tokenizer = Tokenizer::load(dir);
        tokenizer.decode(tokenizer.encode("<s>한국어 the\n\n children 123"));
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      }
    }
  }
}

// What a user writes cannot become a control token, however it is merged.
TEST(TokenizerJson, SpecialTokensAreNotMadeByMerges) {
  const auto dir = scratch();
  json file = good();
  auto& vocab = file["model"]["vocab"];
  json& special = file["added_tokens"][0];
  const int32_t first = special["id"];
  // A merge that makes the first special token, now a part of the vocabulary.
  special["content"] = "QZ";
  vocab["QZ"] = first;
  file["model"]["merges"].push_back("Q Z");
  file["post_processor"] = nullptr;
  write_file(dir / "tokenizer.json", file.dump());
  const Tokenizer tokenizer = Tokenizer::load(dir);
  EXPECT_EQ(tokenizer.encode("QZ", {.parse_special = true}),
            (std::vector{first}));
  EXPECT_EQ(tokenizer.encode("QZ").size(), 2u);
}

TEST(TokenizerJson, AVocabularyWithoutAByteIsRefused) {
  const auto dir = scratch();
  json file = good();
  json& vocab = file["model"]["vocab"];
  vocab["!unused!"] = vocab["Z"];
  vocab.erase("Z");
  write_file(dir / "tokenizer.json", file.dump());
  EXPECT_NE(
      message_of([&] { Tokenizer::load(dir); }).find("no token for byte 0x5A"),
      std::string::npos);
}

TEST(TokenizerConfig, SaysWhichFileIsWrong) {
  const auto dir = scratch();
  small_tokenizer().save(dir);
  for (const auto& [text, says] :
       {std::pair{"[]", "tokenizer_config.json: expected an object"},
        {"{\n\n!", "tokenizer_config.json:3: not JSON"},
        {R"({"bos_token": 5})", "bos_token is not a token"},
        {R"({"eos_token": {"content": "<none>"}})",
         "eos_token \"<none>\" is not in the vocabulary"},
        {R"({"chat_template": [{"name": "rag"}]})", "chat_template"}}) {
    write_file(dir / "tokenizer_config.json", text);
    EXPECT_NE(message_of([&] { Tokenizer::load(dir); }).find(says),
              std::string::npos)
        << text;
  }
}

TEST(TokenizerConfig, ReadsTokensAsObjectsAndNamedTemplates) {
  const auto dir = scratch();
  small_tokenizer().save(dir);
  write_file(dir / "tokenizer_config.json",
             R"({"eos_token": {"content": "<|eot_id|>"}, "other": 1,
                 "chat_template": [{"name": "default", "template": "t"}]})");
  const Tokenizer tokenizer = Tokenizer::load(dir);
  EXPECT_EQ(tokenizer.eos_token_id(), tokenizer.find("<|eot_id|>"));
  EXPECT_EQ(tokenizer.chat_template(), "t");
  tokenizer.save(dir);
  EXPECT_EQ(read_json(dir / "tokenizer_config.json")["other"], 1);
}

TEST(TokenizerConfig, ReadsTemplatesWhereverTheyLie) {
  const auto dir = scratch();
  small_tokenizer().save(dir);
  const auto found = [&] { return Tokenizer::load(dir).chat_template(); };
  write_file(dir / "tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(found(), "config");
  write_file(dir / "chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(found(), "json");
  std::filesystem::create_directories(dir / "additional_chat_templates");
  write_file(dir / "additional_chat_templates" / "rag.jinja", "rag");
  write_file(dir / "chat_template.jinja", "jinja");
  EXPECT_EQ(found(), "jinja");
}

// What only a chat needs is no obstacle to encoding.
TEST(TokenizerConfig, TemplatesWithoutADefaultAreToldAndNotUsed) {
  const auto dir = scratch();
  small_tokenizer().save(dir);
  write_file(dir / "tokenizer_config.json", R"({"chat_template": [
      {"name": "rag", "template": "r"}, {"name": "tool_use", "template": "t"}]})");
  testing::internal::CaptureStderr();
  const Tokenizer tokenizer = Tokenizer::load(dir);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "none of the chat templates is named default, so none is used: "
                "rag, tool_use"),
            std::string::npos);
  EXPECT_EQ(tokenizer.chat_template(), "");
  EXPECT_FALSE(tokenizer.encode("a", {}).empty());
}

// TemplateProcessing of Hugging Face's library: a name stands for the tokens
// that special_tokens gives it.
TEST(TokenizerJson, OneNameMayPutSeveralTokensAroundAText) {
  const auto dir = scratch();
  const Tokenizer plain = small_tokenizer();
  plain.save(dir);
  std::filesystem::remove(dir / "tokenizer_config.json");
  json file = read_json(dir / "tokenizer.json");
  const auto piece = [](const char* name) {
    return json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
  };
  const auto special = [&](std::vector<std::string> tokens) {
    std::vector<int32_t> ids;
    for (const std::string& token : tokens)
      ids.push_back(plain.find(token).value());
    return json{{"id", "any"}, {"ids", ids}, {"tokens", tokens}};
  };
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {piece("[START]"),
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
        piece("<|end_of_text|>")}},
      {"pair", json::array()},
      {"special_tokens",
       {{"[START]", special({"<|begin_of_text|>", "<|start_header_id|>"})},
        {"<|end_of_text|>", special({"<|end_of_text|>"})}}}};
  write_file(dir / "tokenizer.json", file.dump());
  const Tokenizer tokenizer = Tokenizer::load(dir);
  const auto id = [&](const char* token) { return plain.find(token).value(); };
  EXPECT_EQ(
      tokenizer.encode("a", {.add_special_tokens = true}),
      (std::vector<int32_t>{id("<|begin_of_text|>"), id("<|start_header_id|>"),
                            id("a"), id("<|end_of_text|>")}));
}

// Added tokens that tokenizer.json lacks: as transformers' fast tokenizers, a
// token of the vocabulary keeps its id, and others get the next ones in the
// order of theirs; what is known is left as it is.
TEST(TokenizerConfig, TokensThatStandThereAloneAreAdded) {
  const auto dir = scratch();
  const Tokenizer plain = small_tokenizer();
  plain.save(dir);
  const int32_t known = plain.find("<|eot_id|>").value();
  const int32_t size = plain.vocab_size(), a = plain.find("a").value();
  const auto expect = [&](const Tokenizer& tokenizer, bool special) {
    EXPECT_EQ(tokenizer.vocab_size(), size + 2);
    EXPECT_EQ(tokenizer.encode("<|x|><|y|>", {.parse_special = true}),
              (std::vector<int32_t>{size, size + 1}));
    EXPECT_EQ(tokenizer.find("<|eot_id|>"), known);
    EXPECT_EQ(tokenizer.is_special(size), special);
    EXPECT_TRUE(tokenizer.is_added(size));
    tokenizer.save(dir / "saved");
    const Tokenizer again = Tokenizer::load(dir / "saved");
    EXPECT_EQ(again.find("<|y|>"), size + 1);
  };
  std::filesystem::create_directories(dir / "saved");
  write_file(dir / "tokenizer_config.json",
             fmt::format(R"({{"eos_token": "<|y|>", "added_tokens_decoder": {{
                 "{}": {{"content": "<|y|>", "special": true}},
                 "{}": {{"content": "<|x|>", "special": true}},
                 "3": {{"content": "<|eot_id|>", "special": true}}}}}})",
                         size + 9, size));
  expect(Tokenizer::load(dir), true);
  EXPECT_EQ(Tokenizer::load(dir).eos_token_id(), size + 1);

  write_file(dir / "tokenizer_config.json", "{}");
  write_file(
      dir / "added_tokens.json",
      fmt::format(R"({{"<|x|>": {}, "<|y|>": {}, "a": 7}})", size, size + 1));
  const Tokenizer listed = Tokenizer::load(dir);
  expect(listed, false);
  EXPECT_EQ(listed.find("a"), a);
  EXPECT_TRUE(listed.is_added(a));
}

// As transformers 5 does for every class; docs/tokenizers.md.
TEST(TokenizerConfig, SaysWhatStandsAroundAText) {
  const auto dir = scratch();
  small_tokenizer().save(dir);
  const int32_t bos = small_tokenizer().bos_token_id();
  const int32_t eos = small_tokenizer().eos_token_id();
  const std::vector<int32_t> text = small_tokenizer().encode("한국");
  const auto with = [&](std::vector<int32_t> before,
                        std::vector<int32_t> after) {
    before.insert(before.end(), text.begin(), text.end());
    before.insert(before.end(), after.begin(), after.end());
    return before;
  };
  const auto ids = [&](const char* flags) {
    write_file(dir / "tokenizer_config.json",
               fmt::format(R"({{"bos_token": "<|begin_of_text|>",
                               "eos_token": "<|end_of_text|>"{}}})",
                           flags));
    const Tokenizer tokenizer = Tokenizer::load(dir);
    const auto all = tokenizer.encode("한국", {.add_special_tokens = true});
    auto prompt = tokenizer.encode_prompt("한국");
    if (all.back() == eos) prompt.push_back(eos);
    EXPECT_EQ(all, prompt);
    return all;
  };
  EXPECT_EQ(ids(""), with({bos}, {}));
  EXPECT_EQ(ids(R"(, "add_bos_token": null)"), with({bos}, {}));
  EXPECT_EQ(ids(R"(, "add_bos_token": false)"), with({}, {}));
  EXPECT_EQ(ids(R"(, "add_eos_token": true)"), with({bos}, {eos}));
  EXPECT_EQ(ids(R"(, "add_bos_token": false, "add_eos_token": true)"),
            with({}, {eos}));
  // Saved, it says the same without the flags.
  const Tokenizer changed = Tokenizer::load(dir);
  changed.save(dir);
  EXPECT_EQ(ids(""), with({}, {eos}));
}

// A bos_token that is named, but that the post-processor does not write.
TEST(TokenizerConfig, ANamedTokenIsNotPutBeforeAText) {
  const auto dir = scratch();
  json file = good();
  file["post_processor"] = {{"type", "ByteLevel"}, {"trim_offsets", false}};
  write_file(dir / "tokenizer.json", file.dump());
  write_file(dir / "tokenizer_config.json",
             R"({"bos_token": "<|begin_of_text|>"})");
  const Tokenizer tokenizer = Tokenizer::load(dir);
  EXPECT_EQ(tokenizer.bos_token_id(), tokenizer.find("<|begin_of_text|>"));
  EXPECT_EQ(tokenizer.encode_prompt("한국"), tokenizer.encode("한국"));
}

TEST(TokenizerConfig, MissingDirectorySaysWhich) {
  EXPECT_NE(message_of([] { Tokenizer::load("/no/such"); }).find("/no/such"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
