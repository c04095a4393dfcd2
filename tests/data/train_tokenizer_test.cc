#include "data/train_tokenizer.h"

#include "base/files.h"
#include "data/data_test.h"

namespace seodang {
namespace {

// Words are learned from the text as it will be tokenized: cleaned.
TEST(TrainTokenizer, LearnsFromCleanedText) {
  const std::filesystem::path dir = testing::TempDir();
  const std::filesystem::path clean = dir / "seodang_clean.txt",
                              raw = dir / "seodang_raw.txt";
  std::string text;
  for (int i = 0; i < 50; ++i) text += "한국의 수도는 서울이다.\n";
  write_file(clean, text);
  std::string decomposed;  // the same with jamo, line ends of another system
  for (int i = 0; i < 50; ++i)
    decomposed += "\u1112\u1161\u11ab국의 수도는\u0008 서울이다.\r\n";
  write_file(raw, decomposed);
  TrainTokenizerOptions options;
  options.bpe.vocab_size = 320;
  const auto a = train_tokenizer({clean}, options),
             b = train_tokenizer({raw}, options);
  EXPECT_EQ(a.documents, 1);
  EXPECT_NE(a.bytes, b.bytes);
  ASSERT_EQ(a.tokenizer.vocab_size(), b.tokenizer.vocab_size());
  for (int32_t id = 0; id < a.tokenizer.vocab_size(); ++id)
    EXPECT_EQ(a.tokenizer.token_bytes(id), b.tokenizer.token_bytes(id));
  options.format.invalid_utf8 = "guess";
  EXPECT_THROW(train_tokenizer({clean}, options), UsageError);
}

}  // namespace
}  // namespace seodang
