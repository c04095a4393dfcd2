#include "data/prepare.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "base/rng.h"
#include "base/threads.h"
#include "data/data_test.h"
#include "data/small_tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::string json_line(const std::string& text) {
  return nlohmann::json{{"text", text}}.dump() + "\n";
}

// Documents of random words; no two are alike.
std::vector<std::string> random_texts(int count, int longest) {
  Rng rng(21);
  std::vector<std::string> texts(count);
  for (auto& text : texts)
    for (uint64_t words = 6 + rng.below(longest); words > 0; --words)
      text += fmt::format("말{} ", rng.below(1000000));
  for (auto& text : texts) text.pop_back();
  return texts;
}

fs::path write_corpus(const fs::path& dir,
                      const std::vector<std::string>& texts) {
  std::string lines;
  for (const auto& text : texts) lines += json_line(text);
  write_test_file(dir / "corpus.jsonl", lines);
  return dir / "corpus.jsonl";
}

std::vector<std::string> decoded(const fs::path& dir, const char* split,
                                 const Tokenizer& tokenizer) {
  const TokenShards shards = TokenShards::open(dir, split);
  shards.check_made_with(tokenizer);
  std::vector<std::string> texts;
  for (int64_t i = 0; i < shards.num_documents(); ++i) {
    std::vector<int32_t> tokens(shards.document_length(i));
    shards.copy_tokens(i, 0, tokens);
    EXPECT_EQ(tokens.front(), tokenizer.bos_token_id());
    EXPECT_EQ(tokens.back(), tokenizer.eos_token_id());
    texts.push_back(tokenizer.decode(tokens));
  }
  return texts;
}

TEST(PrepareCorpus, SaysWhatItDropsAndWhy) {
  const fs::path dir = scratch();
  const Tokenizer tokenizer = small_tokenizer();
  const auto texts = random_texts(3, 60);
  std::string near = random_texts(4, 60)[3];
  std::string nearer = near + " 끝";
  write_test_file(dir / "a.jsonl", json_line(texts[0]) + json_line(" \n") +
                                       json_line(texts[1]) + json_line("짧다") +
                                       json_line(texts[0] + "\r\n") +
                                       json_line(near));
  write_test_file(dir / "b.txt", texts[2] + "\n<|endoftext|>\n" + nearer +
                                     "\n<|endoftext|>\n\xFF and " + texts[1]);
  PrepareOptions options;
  options.validation = 0;
  options.min_characters = 3;
  const PrepareReport report = prepare_corpus({dir / "a.jsonl", dir / "b.txt"},
                                              tokenizer, options, dir / "out");
  EXPECT_EQ(report.documents_in, 9);
  ASSERT_EQ(report.dropped.size(), 4u);
  const char* names[] = {"empty", "too short", "duplicate", "near duplicate"};
  const char* examples[] = {"a.jsonl:2: ", "a.jsonl:4: 짧다",
                            "a.jsonl:5: ", "b.txt:3: "};
  for (int i = 0; i < 4; ++i) {
    const auto& dropped = report.dropped[i];
    EXPECT_EQ(dropped.reason, names[i]);
    EXPECT_EQ(dropped.documents, i == 3 ? 2 : 1) << dropped.example;
    EXPECT_NE(dropped.example.find(examples[i]), std::string::npos)
        << dropped.example;
  }
  EXPECT_NE(report.dropped[3].example.find("a.jsonl:6"), std::string::npos);
  EXPECT_EQ(report.invalid_utf8_documents, 1);
  EXPECT_EQ(report.train.documents, 4);
  EXPECT_EQ(decoded(dir / "out", "train", tokenizer),
            (std::vector<std::string>{texts[0], texts[1], near, texts[2]}));
  EXPECT_EQ(report.train.tokens,
            TokenShards::open(dir / "out", "train").num_tokens());
  const auto json =
      nlohmann::json::parse(read_file(dir / "out" / "report.json"));
  EXPECT_EQ(json, to_json(report));

  options.near_duplicates = 0;
  EXPECT_EQ(prepare_corpus({dir / "a.jsonl", dir / "b.txt"}, tokenizer, options,
                           dir / "out")
                .train.documents,
            6);
}

TEST(PrepareCorpus, SplitsByDocument) {
  const fs::path dir = scratch();
  const Tokenizer tokenizer = small_tokenizer();
  auto texts = random_texts(2000, 3);
  const auto split = [&](uint64_t seed, const char* name) {
    PrepareOptions options;
    options.validation = 0.1;
    options.seed = seed;
    prepare_corpus({write_corpus(dir, texts)}, tokenizer, options, dir / name);
    const auto validation = decoded(dir / name, "validation", tokenizer);
    const auto train = decoded(dir / name, "train", tokenizer);
    EXPECT_EQ(validation.size() + train.size(), texts.size());
    std::set<std::string> all(train.begin(), train.end());
    all.insert(validation.begin(), validation.end());
    EXPECT_EQ(all, std::set<std::string>(texts.begin(), texts.end()));
    return std::set<std::string>(validation.begin(), validation.end());
  };
  const auto first = split(1, "first");
  EXPECT_NEAR(first.size(), 200, 60);  // 4.5 standard deviations
  EXPECT_NE(split(2, "other"), first);
  // What was held out stays held out when the corpus changes around it.
  texts.erase(texts.begin(), texts.begin() + 1000);
  for (const auto& text : split(1, "half")) EXPECT_TRUE(first.contains(text));
}

TEST(PrepareCorpus, HoldsOneDocumentOutOfASmallCorpus) {
  const fs::path dir = scratch();
  const Tokenizer tokenizer = small_tokenizer();
  PrepareOptions options;
  options.validation = 1e-9;
  const auto texts = random_texts(5, 3);
  auto report = prepare_corpus({write_corpus(dir, texts)}, tokenizer, options,
                               dir / "five");
  EXPECT_EQ(report.train.documents, 4);
  EXPECT_EQ(report.validation.documents, 1);
  report = prepare_corpus({write_corpus(dir, {texts[0]})}, tokenizer, options,
                          dir / "one");
  EXPECT_EQ(report.train.documents, 1);
  EXPECT_EQ(report.validation.documents, 0);
}

TEST(PrepareCorpus, DoesNotDependOnTheNumberOfThreads) {
  const fs::path dir = scratch();
  const Tokenizer tokenizer = small_tokenizer();
  const fs::path corpus = write_corpus(dir, random_texts(3000, 20));
  const auto bytes_with = [&](int threads) {
    set_num_threads(threads);
    prepare_corpus({corpus}, tokenizer, {}, dir / "out");
    set_num_threads(0);
    std::string bytes;
    for (const char* file : {"train-00000.bin", "validation-00000.bin",
                             "index.json", "report.json"})
      bytes += read_file(dir / "out" / file);
    return bytes;
  };
  const std::string one = bytes_with(1);
  EXPECT_TRUE(bytes_with(2) == one);
  EXPECT_TRUE(bytes_with(5) == one);
}

TEST(PrepareCorpus, RefusesWhatItCannotDo) {
  const fs::path dir = scratch();
  const Tokenizer tokenizer = small_tokenizer();
  const fs::path corpus = write_corpus(dir, {"하나"});
  const auto error = [&](const fs::path& file, const PrepareOptions& options,
                         const char* out) {
    return error_of(
        [&] { prepare_corpus({file}, tokenizer, options, dir / out); });
  };
  write_test_file(dir / "empty.txt", "");
  EXPECT_EQ(error(dir / "empty.txt", {}, "out"), "the files hold no text");
  write_test_file(dir / "blank.txt", "\n \n<|endoftext|>\n\n");
  EXPECT_EQ(error(dir / "blank.txt", {}, "out"),
            "no document is left to train on: 2 empty");
  EXPECT_FALSE(fs::exists(dir / "out"));
  fs::create_directories(dir / "mine");
  write_test_file(dir / "mine" / "thesis.txt", "years of work");
  EXPECT_NE(error(corpus, {}, "mine"), "");
  EXPECT_TRUE(fs::exists(dir / "mine" / "thesis.txt"));
  PrepareOptions options;
  options.format.invalid_utf8 = "guess";
  EXPECT_NE(error(corpus, options, "out"), "");
  options = {};
  options.validation = 1;
  EXPECT_NE(error(corpus, options, "out"), "");
  options = {};
  options.near_duplicates = -1;
  EXPECT_NE(error(corpus, options, "out"), "");
  EXPECT_EQ(error(corpus, {}, "out/"), "");
  EXPECT_TRUE(fs::exists(dir / "out" / "index.json"));
}

TEST(TokenShards, RefuseAnotherTokenizer) {
  const fs::path dir = scratch();
  const Tokenizer tokenizer = small_tokenizer();
  make_shards(dir, {{1, 2}}, tokenizer.vocab_size());
  EXPECT_NE(error_of([&] {
              TokenShards::open(dir, "train").check_made_with(tokenizer);
            }),
            "");
}

}  // namespace
}  // namespace seodang
