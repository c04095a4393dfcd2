#include "data/shards.h"

#include "base/files.h"
#include "base/rng.h"
#include "data/data_test.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

Documents random_documents(int count, int32_t vocab_size) {
  Rng rng(3);
  Documents documents(count);
  for (auto& document : documents) {
    document.resize(1 + rng.below(20));
    for (int32_t& token : document)
      token = static_cast<int32_t>(rng.below(vocab_size));
  }
  return documents;
}

TEST(TokenShards, GiveBackWhatWasWritten) {
  for (const int32_t vocab_size : {10, 65536, 65537, 300000}) {
    Documents documents = random_documents(50, vocab_size);
    documents[7].back() = vocab_size - 1;
    const fs::path dir = scratch();
    const TokenShards shards = make_shards(dir, documents, vocab_size, 100);
    EXPECT_TRUE(fs::exists(dir / "train-00003.bin"));
    EXPECT_EQ(shards.vocab_size(), vocab_size);
    ASSERT_EQ(shards.num_documents(), 50);
    int64_t tokens = 0;
    for (int64_t i = 0; i < 50; ++i) {
      ASSERT_EQ(shards.document_length(i),
                static_cast<int64_t>(documents[i].size()));
      std::vector<int32_t> read(documents[i].size());
      shards.copy_tokens(i, 0, read);
      EXPECT_EQ(read, documents[i]);
      int32_t last = -1;
      shards.copy_tokens(i, shards.document_length(i) - 1, {&last, 1});
      EXPECT_EQ(last, documents[i].back());
      tokens += shards.document_length(i);
    }
    EXPECT_EQ(shards.num_tokens(), tokens);
    EXPECT_EQ(TokenShards::open(dir, "validation").num_documents(), 0);
  }
}

TEST(TokenShards, AreLaidOutAsDocumented) {
  const fs::path dir = scratch();
  make_shards(dir, {{1, 2}, {3}}, 300);
  const std::string expected(
      "SEODANG1\2\0\0\0\x2C\1\0\0"                        // width, vocabulary
      "\1\0\2\0\3\0\0\0"                                  // tokens, padding
      "\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"  // offsets
      "\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0SEODANG1",
      16 + 8 + 24 + 24);
  EXPECT_EQ(read_file(dir / "train-00000.bin"), expected);
}

TEST(TokenShards, RefuseDamagedFiles) {
  const fs::path dir = scratch();
  const Documents documents = random_documents(5, 300);
  make_shards(dir, documents, 300);
  const fs::path file = dir / "train-00000.bin";
  const std::string good = read_file(file);
  const auto error_with = [&](const std::string& bytes) {
    write_test_file(file, bytes);
    return error_of([&] { TokenShards::open(dir, "train"); });
  };
  EXPECT_EQ(error_with(good), "");
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(error_with(good.substr(0, size)), "") << size;
  // Outside the tokens every byte counts; a token may be any other one, but
  // none beyond the vocabulary.
  size_t tokens_end = 16;
  for (const auto& document : documents) tokens_end += 2 * document.size();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x80;
    const bool high_byte = i >= 16 && i < tokens_end && i % 2 == 1;
    const bool padding = i >= tokens_end && i < (tokens_end + 7) / 8 * 8;
    if (i < 16 || high_byte || (i >= tokens_end && !padding)) {
      EXPECT_NE(error_with(bad), "") << i;
    }
  }
  EXPECT_NE(error_with("").find("train-00000.bin: too short"),
            std::string::npos);
  fs::remove(file);
  EXPECT_NE(error_of([&] { TokenShards::open(dir, "train"); }), "");
}

TEST(TokenShards, RefuseDamagedIndexes) {
  const fs::path dir = scratch();
  make_shards(dir, random_documents(5, 300), 300);
  const std::string good = read_file(dir / "index.json");
  const auto error_with = [&](const std::string& from, const std::string& to) {
    std::string index = good;
    const size_t at = index.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_test_file(dir / "index.json", index.replace(at, from.size(), to));
    return error_of([&] { TokenShards::open(dir, "train"); });
  };
  EXPECT_EQ(error_with("\"none\"", "\"none\""), "");
  EXPECT_NE(error_with("\"version\": 1", "\"version\": 2"), "");
  EXPECT_NE(error_with("\"vocab_size\": 300", "\"vocab_size\": 100000"), "");
  EXPECT_NE(error_with("\"vocab_size\": 300", "\"vocab_size\": -1"), "");
  EXPECT_NE(error_with("\"vocab_size\": 300", "\"vocab_size\": 1"), "");
  EXPECT_NE(error_with("train-00000.bin", "../train-00000.bin"), "");
  EXPECT_NE(error_with("\"documents\": 5", "\"documents\": 6"), "");
  EXPECT_NE(error_with("\"documents\": 5", "\"documents\": \"5\""), "");
  EXPECT_NE(error_with("{", "["), "");
  EXPECT_NE(error_of([&] {
              TokenShards::open(dir / "none", "train");
            }).find("seodang data"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
