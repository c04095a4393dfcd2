#include "formats/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace seodang {
namespace {

std::string message_of(const std::string& text) {
  try {
    parse_json(text, "f.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Json, ReadsWhatIsJson) {
  EXPECT_EQ(parse_json("{\"a\": [1, \"한\"]}", "f.json")["a"][1], "한");
}

TEST(Json, ErrorsNameFileAndLineOnOneLine) {
  for (const auto& [text, start] :
       {std::pair<std::string, const char*>{"", "f.json:1: not JSON: "},
        {"{\n\"a\": 1,\n}", "f.json:3: not JSON: "},
        {"[1,\n2\n3]", "f.json:3: not JSON: "},
        {"{\"a\"\n", "f.json:2: not JSON: "},
        {"[1] x", "f.json:1: not JSON: "},
        {"\n[\"\xFF\"]", "f.json:2: not UTF-8 (byte 3)"},
        {"[1e999]", "f.json: not JSON: "},
        {std::string(3, '\0'), "f.json:1: not JSON: "},
        {"\n" + std::string(5000000, '['), "f.json:2: nested deeper than"}}) {
    const std::string message = message_of(text);
    EXPECT_EQ(message.rfind(start, 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 300u);
  }
}

TEST(Json, BracketsInStringsAreNotNesting) {
  const std::string text = "[\"" + std::string(500, '[') + "\\\"" + "[\"]";
  EXPECT_EQ(parse_json(text, "f.json").size(), 1u);
}

}  // namespace
}  // namespace seodang
