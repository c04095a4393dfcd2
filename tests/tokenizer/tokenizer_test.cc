#include "tokenizer/tokenizer.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "base/rng.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/utf8_stream.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int32_t>;

std::string random_text(Rng& rng, uint64_t length) {
  std::string text;
  for (; length > 0; --length) {
    char32_t scalar = rng.below(rng.below(2) ? 0x3000 : 0x110000);
    if (scalar >= 0xD800 && scalar < 0xE000) scalar = U'한';
    append_utf8(text, scalar);
  }
  return text;
}

// encodings.json holds the ids that Hugging Face's library gives.
TEST(Tokenizer, GivesTheIdsOfHuggingFacesLibrary) {
  const Tokenizer tokenizer = Tokenizer::load(kTokenizerData / "model");
  const auto lines = read_json(kTokenizerData / "encodings.json");
  ASSERT_GE(lines.size(), 2000u);
  for (const auto& line : lines) {
    const std::string text = line[0];
    const Ids ids = tokenizer.encode(text, {.parse_special = true});
    ASSERT_EQ(fmt::format("{}", fmt::join(ids, " ")), line[1]) << line[0];
    ASSERT_EQ(tokenizer.decode(ids, false), text);
  }
}

TEST(Tokenizer, RoundTripsRandomText) {
  const Tokenizer tokenizer = small_tokenizer();
  Rng rng(1);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(rng, rng.below(60));
    const Ids ids = tokenizer.encode(text);
    ASSERT_EQ(tokenizer.decode(ids), text);
    std::string joined;
    for (int32_t id : ids) joined += tokenizer.token_bytes(id);
    ASSERT_EQ(joined, text);
  }
}

TEST(Tokenizer, GivesTheSameIdsOnManyThreads) {
  const Tokenizer tokenizer = small_tokenizer();
  const std::string text = sample_text();
  const Ids expected = tokenizer.encode(text);
  std::vector<Ids> got(4);
  std::vector<std::thread> threads;
  for (Ids& ids : got)
    threads.emplace_back([&] { ids = tokenizer.encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : got) EXPECT_EQ(ids, expected);
}

// Words are cached by thread; another tokenizer must not see them.
TEST(Tokenizer, TwoTokenizersKeepTheirWordsApart) {
  const Tokenizer one = small_tokenizer();
  const Tokenizer other = train_on("abab abab", {.vocab_size = 266});
  const Ids before = other.encode("the children");
  one.encode("the children");
  EXPECT_EQ(other.encode("the children"), before);
  EXPECT_NE(one.encode("the children"), before);
}

TEST(Tokenizer, SpecialTokensStandAfterTheVocabulary) {
  const Tokenizer tokenizer = small_tokenizer();
  const int32_t size = tokenizer.vocab_size();
  EXPECT_EQ(size, 500);
  EXPECT_EQ(tokenizer.bos_token_id(), size - 6);
  EXPECT_EQ(tokenizer.eos_token_id(), size - 5);
  EXPECT_EQ(tokenizer.find("<|eot_id|>"), size - 1);
  EXPECT_EQ(tokenizer.end_of_turn_ids(), (Ids{size - 1, size - 5}));
  EXPECT_TRUE(tokenizer.is_special(size - 1));
  EXPECT_FALSE(tokenizer.is_special(size - 7));
  EXPECT_EQ(tokenizer.token_bytes(size - 1), "<|eot_id|>");
  EXPECT_THROW(tokenizer.token_bytes(size), Error);
  EXPECT_THROW(tokenizer.token_bytes(-1), Error);
  EXPECT_FALSE(tokenizer.find("no such token").has_value());
}

TEST(Tokenizer, SpecialTokensInTextAreTextUnlessAskedFor) {
  const Tokenizer tokenizer = small_tokenizer();
  const std::string text = "a<|eot_id|>b";
  const Ids plain = tokenizer.encode(text);
  for (int32_t id : plain) EXPECT_FALSE(tokenizer.is_special(id));
  EXPECT_EQ(tokenizer.decode(plain), text);
  const Ids parsed = tokenizer.encode(
      text, {.add_special_tokens = true, .parse_special = true});
  EXPECT_EQ(parsed, (Ids{tokenizer.bos_token_id(), *tokenizer.find("a"),
                         *tokenizer.find("<|eot_id|>"), *tokenizer.find("b")}));
  EXPECT_EQ(tokenizer.decode(parsed), "ab");
  EXPECT_EQ(tokenizer.decode(parsed, false), "<|begin_of_text|>a<|eot_id|>b");
}

TEST(Tokenizer, SavedAndLoadedGivesTheSameFilesAndIds) {
  const fs::path dir = scratch();
  Tokenizer tokenizer = small_tokenizer();
  tokenizer.set_chat_template("{{ messages }}");
  write_file(dir / "chat_template.jinja", "stale");
  tokenizer.save(dir);
  const Tokenizer loaded = Tokenizer::load(dir);
  EXPECT_EQ(loaded.chat_template(), "{{ messages }}");
  EXPECT_EQ(loaded.vocab_size(), tokenizer.vocab_size());
  EXPECT_EQ(loaded.bos_token_id(), tokenizer.bos_token_id());
  EXPECT_EQ(loaded.encode(sample_text()), tokenizer.encode(sample_text()));
  fs::create_directories(dir / "again");
  loaded.save(dir / "again");
  for (const char* file :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"})
    EXPECT_EQ(read_file(dir / file), read_file(dir / "again" / file)) << file;
}

TEST(Tokenizer, TheTemplateFileGoesBeforeTheOneInTheConfig) {
  const fs::path dir = scratch();
  Tokenizer tokenizer = small_tokenizer();
  tokenizer.set_chat_template("in the config");
  tokenizer.save(dir);
  write_file(dir / "chat_template.jinja", "in a file");
  EXPECT_EQ(Tokenizer::load(dir).chat_template(), "in a file");
}

TEST(Tokenizer, InvalidUtf8BecomesReplacementCharacters) {
  const Tokenizer tokenizer = small_tokenizer();
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\xED\x95z")), "a\xEF\xBF\xBDz");
  const Ids half_a_syllable = {*tokenizer.find("\xED"), *tokenizer.find("a")};
  EXPECT_EQ(tokenizer.decode(half_a_syllable),
            "\xEF\xBF\xBD"
            "a");
}

// The slow and obvious way: look at all pairs, merge the first of the most
// urgent ones.
Ids merge_obviously(const Tokenizer& tokenizer, const std::string& word) {
  const auto file = read_json(kTokenizerData / "model/tokenizer.json");
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (const auto& merge : file["model"]["merges"]) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    ranks.emplace(std::pair{text.substr(0, space), text.substr(space + 1)},
                  ranks.size());
  }
  std::vector<std::string> parts;
  for (char c : word) parts.emplace_back(1, c);
  for (;;) {
    size_t best = SIZE_MAX, at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      if (const auto found = ranks.find({parts[i], parts[i + 1]});
          found != ranks.end() && found->second < best) {
        best = found->second;
        at = i;
      }
    if (best == SIZE_MAX) break;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + at + 1);
  }
  Ids ids;
  for (const std::string& part : parts) ids.push_back(*tokenizer.find(part));
  return ids;
}

TEST(Tokenizer, LongWordsMergeAsTheObviousWayDoes) {
  const Tokenizer tokenizer = Tokenizer::load(kTokenizerData / "model");
  Rng rng(3);
  for (size_t length : {63, 64, 65, 66, 400}) {
    std::string word;
    while (word.size() < length) word += "aeinrthcdlo"[rng.below(11)];
    EXPECT_EQ(tokenizer.encode(word), merge_obviously(tokenizer, word)) << word;
  }
}

TEST(Utf8Stream, GivesWholeCharactersAndAllOfThem) {
  Rng rng(5);
  for (int i = 0; i < 300; ++i) {
    std::string text = random_text(rng, rng.below(12));
    if (!text.empty() && i % 2) text.erase(rng.below(text.size()), 1);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + rng.below(3);
      const std::string piece = stream.push(text.substr(at, size));
      EXPECT_EQ(find_invalid_utf8(piece), std::string::npos);
      out += piece;
      at += size;
    }
    out += stream.finish();
    EXPECT_EQ(out, replace_invalid_utf8(text));
    EXPECT_EQ(stream.finish(), "");
  }
}

TEST(Utf8Stream, HoldsASyllableUntilItsLastByte) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\xED\x95"), "");
  EXPECT_EQ(stream.push("\x9C"), "한");
  EXPECT_EQ(stream.push("a\xED"), "a");
  EXPECT_EQ(stream.push("b"),
            "\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(stream.push("\xF0\x9F"), "");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace seodang
