// Files as the world hands them over: each ends in one clear line, exit code 1,
// and leaves nothing half-written behind.
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "cli/program.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

class BadInput : public ScratchTest {
 protected:
  // A tokenizer in tok/, from a little text.
  void make_tokenizer() {
    write("small.txt",
          "대한민국의 수도는 서울입니다.\nThe capital is Seoul.\n");
    const Outcome made =
        run(dir_, words("tokenizer train small.txt -o tok --vocab-size 300"));
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
};

TEST_F(BadInput, TextsForATokenizer) {
  write("empty.txt", "");
  write("half.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b");
  write("wrong.jsonl", "{\"text\": \"a\"}\n{\"title\": \"b\"}\n");
  write("number.jsonl", "{\"text\": 7}\n");
  write("not.txt.gz", "plain text");
  write("not.txt.zst", "plain text");
  write("latin.txt", "caf\xe9 au lait");
  fs::create_directory(dir_ / "folder.txt");
  const auto train = [&](const std::string& file) {
    return run(dir_, {"tokenizer", "train", file, "-o", "tok"});
  };
  const auto before = names();
  expect_complaint(train("none.txt"), 1, "none.txt");
  expect_complaint(train("empty.txt"), 1, "every document is empty");
  expect_complaint(train("folder.txt"), 1, "folder.txt");
  expect_complaint(train("half.jsonl"), 1, "half.jsonl:2");
  expect_complaint(train("wrong.jsonl"), 1, "wrong.jsonl:2");
  expect_complaint(train("number.jsonl"), 1, "number.jsonl:1");
  expect_complaint(train("not.txt.gz"), 1, "not.txt.gz");
  expect_complaint(train("not.txt.zst"), 1, "not.txt.zst");
  expect_complaint(
      run(dir_,
          words("tokenizer train latin.txt -o tok --invalid-utf8 refuse")),
      1, "latin.txt");
  EXPECT_EQ(names(), before);
}

TEST_F(BadInput, AVocabularySmallerThanTheBytes) {
  write("a.txt", "some text");
  expect_complaint(
      run(dir_, words("tokenizer train a.txt -o tok --vocab-size 200")), 2,
      "200");
  EXPECT_FALSE(fs::exists(dir_ / "tok"));
}

TEST_F(BadInput, NoiseIsReadAsTextOrRefused) {
  std::string noise;
  uint32_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = state * 1664525u + 1013904223u;
    noise.push_back(static_cast<char>(1 + (state >> 24) % 255));
  }
  write("noise.txt", noise);
  const Outcome made =
      run(dir_, words("tokenizer train noise.txt -o tok --vocab-size 300"));
  EXPECT_EQ(made.exit_code, 0) << made.err;
  const Outcome data = run(dir_, words("data noise.txt --tokenizer tok -o d"));
  EXPECT_EQ(data.exit_code, 0) << data.err;
  write("binary.txt", noise + std::string(1, '\0'));
  expect_complaint(run(dir_, words("tokenizer train binary.txt -o t2")), 1,
                   "binary.txt:");
  EXPECT_FALSE(fs::exists(dir_ / "t2"));
}

TEST_F(BadInput, ALineOf100Megabytes) {
  make_tokenizer();
  std::string line;
  while (line.size() < 100'000'000) line += "서울은 수도이고 강이 흐른다. ";
  write("long.txt", line);
  const Outcome data = run(dir_, words("data long.txt --tokenizer tok -o d"));
  EXPECT_EQ(data.exit_code, 0) << data.err;
}

TEST_F(BadInput, ATokenizerThatIsNone) {
  make_tokenizer();
  const std::string good = read("tok/tokenizer.json");
  const auto encode = [&] {
    return run(dir_, {"tokenizer", "encode", "tok", "text"});
  };
  expect_complaint(run(dir_, {"tokenizer", "encode", "none", "text"}), 1,
                   "none");
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() / 2), std::string("[]"),
        std::string("{\"model\": {\"type\": \"BPE\"}}"),
        std::string("\xff\xfe\x00\x01", 4), std::string(100'000, '[')}) {
    write("tok/tokenizer.json", bad);
    expect_complaint(encode(), 1, "tokenizer.json");
  }
  write("tok/tokenizer.json", good);
  EXPECT_EQ(encode().exit_code, 0);
  expect_complaint(run(dir_, words("tokenizer decode tok 999999")), 1,
                   "999999");
}

TEST_F(BadInput, APlaceThatCannotBeWritten) {
  make_tokenizer();
  const auto before = names();
  // Below a file nothing can be made, even by root.
  expect_complaint(run(dir_, words("tokenizer train small.txt -o small.txt/x")),
                   1, "small.txt/x");
  expect_complaint(
      run(dir_, words("data small.txt --tokenizer tok -o small.txt/x")), 1,
      "small.txt/x");
  EXPECT_EQ(names(), before);
}

TEST_F(BadInput, AFullDiskLeavesNothingHalfWritten) {
  make_tokenizer();
  fs::create_directory(dir_ / "new");
  const auto before = names();
  expect_complaint(
      run(dir_, words("tokenizer train small.txt -o new --vocab-size 290"),
          2000),
      1, "new/");
  EXPECT_EQ(names(), before);
}

}  // namespace
}  // namespace seodang
