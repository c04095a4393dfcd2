#include "data/json_records.h"

#include "data/data_test.h"

namespace seodang {
namespace {

using Records = std::vector<std::pair<uint64_t, std::string>>;

Records read(const std::string& text) {
  const auto file = scratch() / "records.json";
  write_test_file(file, text);
  JsonRecords records(file);
  Records out;
  for (std::string record; records.next(record);)
    out.emplace_back(records.line(), record);
  return out;
}

TEST(JsonRecords, OneALineOrTheElementsOfAnArray) {
  const Records expected = {{1, R"({"a": "[,]}\""})"}, {3, "{}"}};
  EXPECT_EQ(read("{\"a\": \"[,]}\\\"\"}\n\n{}\n"), expected);
  EXPECT_EQ(read("[{\"a\": \"[,]}\\\"\"},\n\n{}]\n"), expected);
  // As `jq .` writes it; a comma too many is forgiven.
  EXPECT_EQ(read("\n [\n  {\n    \"a\": [1, {\"b\": 2}]\n  },\n  7,\n]\n"),
            (Records{{3, "{\n    \"a\": [1, {\"b\": 2}]\n  }"}, {6, "7"}}));
  EXPECT_TRUE(read("[]").empty());
  EXPECT_TRUE(read(" \n\n").empty());
}

TEST(JsonRecords, NamesTheLineOfWhatIsWrong) {
  const auto complaint = [](const std::string& text) {
    return error_of([&] { read(text); });
  };
  EXPECT_NE(complaint("[{}\n").find("json:1: the file ends within its array"),
            std::string::npos);
  EXPECT_NE(complaint("[{},\n\"a").find("json:2: the file ends within"),
            std::string::npos);
  EXPECT_NE(complaint("[{}]\n\n{}").find("json:3: something is behind"),
            std::string::npos);
  EXPECT_NE(complaint("[\"" + std::string(2 * kMaxRecordBytes, 'a') + "\"]")
                .find("json:1: more than 16 MB"),
            std::string::npos);
  EXPECT_NE(complaint("\"" + std::string(kMaxRecordBytes, 'a') + "\"")
                .find("json:1: more than 16 MB"),
            std::string::npos);
}

TEST(JsonRecords, HalfASurrogatePairIsReplaced) {
  const struct {
    const char *json, *expected;
  } kCases[] = {
      {R"("cut \ud83d here")", R"("cut \ufffd here")"},
      {R"("\ud83d\ude00")", nullptr},
      {R"("\ud83d\ud83d\ude00 \uDE00")", R"("\ufffd\ud83d\ude00 \ufffd")"},
      {R"("\\ud83d \\\ud83d")", R"("\\ud83d \\\ufffd")"},
      {R"("\u00e9 \ud83")", nullptr},
      {R"("\ud83d)", R"("\ufffd)"},
  };
  for (const auto& one : kCases) {
    std::string json = one.json;
    EXPECT_EQ(replace_lone_surrogates(json), one.expected != nullptr);
    EXPECT_EQ(json, one.expected != nullptr ? one.expected : one.json);
  }
}

}  // namespace
}  // namespace seodang
