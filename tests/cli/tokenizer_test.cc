// `seodang tokenizer` as a user runs it.
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "tokenizer/fixtures.h"

namespace seodang {
namespace {

using nlohmann::json;

class TokenizerCommand : public ScratchTest {
 protected:
  // The text is one argument, whatever spaces it has.
  Outcome encode(const std::string& arguments, const std::string& text) const {
    auto all = words("tokenizer encode " + arguments);
    all.push_back(text);
    return run(dir_, all);
  }
  Outcome tokenizer(const std::string& arguments,
                    const std::string& input = "") const {
    return run_on(dir_, input, words("tokenizer " + arguments));
  }

  const std::string model_ = (kTokenizerData / "model").string();
};

TEST_F(TokenizerCommand, TrainsEncodesAndDecodes) {
  const std::string text = "나는 아침에 밥을 🍚 <|eot_id|>";
  write("a.txt", sample_text());
  const Outcome trained =
      tokenizer("train a.txt -o model --vocab-size 400 --json");
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_EQ(json::parse(trained.out)["vocab_size"], 400);
  const std::string ids = encode("model", text).out;
  EXPECT_EQ(tokenizer("decode model " + ids.substr(0, ids.size() - 1)).out,
            text + "\n");
  EXPECT_EQ(tokenizer("decode model", ids).out, text + "\n");
  const json tokens = json::parse(
      tokenizer("encode model --json --parse-special --add-special-tokens",
                text)
          .out);
  EXPECT_EQ(tokens["tokens"].front()["text"], "<|begin_of_text|>");
  EXPECT_EQ(tokens["tokens"].back()["text"], "<|eot_id|>");
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
}

// Models know their tokenizer by heart.
TEST_F(TokenizerCommand, ReplacesATokenizerOnlyWhenForced) {
  write("a.txt", sample_text());
  const std::string line = "train a.txt -o model --vocab-size ";
  EXPECT_EQ(tokenizer(line + "400").exit_code, 0);
  const std::string before = read("model/tokenizer.json");
  expect_complaint(tokenizer(line + "300"), 2,
                   "model/tokenizer.json is there already");
  EXPECT_EQ(read("model/tokenizer.json"), before);
  EXPECT_EQ(tokenizer(line + "300 --force").exit_code, 0);
  EXPECT_NE(read("model/tokenizer.json"), before);
}

TEST_F(TokenizerCommand, InvalidUtf8IsReplacedOrRefused) {
  const std::string text = "abc\xED\x95";
  const Outcome ids = tokenizer("encode " + model_, text);
  EXPECT_EQ(tokenizer("decode " + model_, ids.out).out, "abc\xEF\xBF\xBD\n");
  expect_complaint(tokenizer("encode --invalid-utf8 refuse " + model_, text), 1,
                   "byte 3 is not UTF-8");
  write("bad.txt", text);
  expect_complaint(tokenizer("train bad.txt -o m --invalid-utf8 refuse"), 1,
                   "bad.txt");
}

TEST_F(TokenizerCommand, BadInputIsOneLine) {
  write("a.txt", sample_text());
  write("empty.txt", "");
  expect_complaint(tokenizer("train a.txt -o m --vocab-size 100"), 2,
                   "too small");
  expect_complaint(tokenizer("train empty.txt -o m"), 1, "no text");
  expect_complaint(tokenizer("train none.txt -o m"), 1, "none.txt");
  expect_complaint(tokenizer("encode none text"), 1,
                   "none: neither tokenizer.json nor tokenizer.model");
  expect_complaint(tokenizer("decode " + model_ + " 99999"), 1, "99999");
  expect_complaint(tokenizer("decode " + model_ + " -- -5"), 1, "-5");
  expect_complaint(tokenizer("decode " + model_, "12 x"), 2, "token ids");
}

}  // namespace
}  // namespace seodang
