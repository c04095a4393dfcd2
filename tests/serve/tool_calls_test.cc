#include "serve/tool_calls.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/rng.h"
#include "grammar/has_text.h"

namespace seodang {
namespace {

const std::vector<Tool> kTools = {
    {"get_weather",
     R"({"type":"object","properties":{"city":{"type":"string"},
         "unit":{"enum":["C","F"]}},"required":["city"]})"},
    {"now", ""}};

struct Parsed {
  std::string text;
  std::vector<std::pair<std::string, std::string>> calls;
};

// In pieces, as a stream brings them.
Parsed parse(std::string_view answer, Rng& rng) {
  ToolCallParser reader(kTools);
  Parsed out;
  while (!answer.empty()) {
    const size_t size = std::min<size_t>(answer.size(), 1 + rng.below(8));
    out.text += reader.push(answer.substr(0, size));
    answer.remove_prefix(size);
  }
  out.text += reader.finish();
  for (const ToolCall& call : reader.calls())
    out.calls.emplace_back(call.name, call.arguments);
  return out;
}

TEST(ToolCalls, AreReadAsFamiliesWriteThem) {
  const std::pair<std::string, std::string> seoul = {"get_weather",
                                                     R"({"city":"서울"})"};
  const struct {
    const char* answer;
    Parsed wanted;
  } cases[] = {
      // Qwen, Hermes.
      {"<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
       "\"서울\"}}\n</tool_call>",
       {"", {seoul}}},
      {"찾아보겠습니다.\n<tool_call>\n{\"name\": \"get_weather\", "
       "\"arguments\": {\"city\": \"서울\"}}\n</tool_call>\n<tool_call>\n"
       "{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
       {"찾아보겠습니다.\n", {seoul, {"now", "{}"}}}},
      // Mistral, behind its special token.
      {"[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"서울\"}}, "
       "{\"name\": \"now\", \"arguments\": {}}]",
       {"", {seoul, {"now", "{}"}}}},
      // Llama 3.
      {"{\"name\": \"get_weather\", \"parameters\": {\"city\": \"서울\"}}",
       {"", {seoul}}},
      {"{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"get_weather\", "
       "\"parameters\": {\"city\": \"서울\"}}",
       {"", {{"now", "{}"}, seoul}}},
      // Arguments as OpenAI has them.
      {R"({"name": "now", "arguments": "{\"a\": 1}"})",
       {"", {{"now", R"({"a": 1})"}}}},
      // Text, though it looks like a call for a while.
      {"서울은 맑습니다.", {"서울은 맑습니다.", {}}},
      {"a <tool and <tool_cal", {"a <tool and <tool_cal", {}}},
      {"{\"name\": \"홍길동\", \"parameters\": {}}",
       {"{\"name\": \"홍길동\", \"parameters\": {}}", {}}},
      {"{\"answer\": 5}", {"{\"answer\": 5}", {}}},
      {"[1, 2, 3]", {"[1, 2, 3]", {}}},
      {"[]", {"[]", {}}},
      {"{not JSON", {"{not JSON", {}}},
      {"<tool_call>\nnot JSON\n</tool_call>",
       {"<tool_call>\nnot JSON\n</tool_call>", {}}},
      {"<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n"
       "<tool_call>\n{\"name\": \"no",
       {"<tool_call>\n{\"name\": \"no", {{"now", "{}"}}}},
      {"  ", {"  ", {}}},
      {"", {"", {}}},
  };
  Rng rng(7);
  for (const auto& c : cases)
    for (int i = 0; i < 20; ++i) {
      const Parsed got = parse(c.answer, rng);
      EXPECT_EQ(got.text, c.wanted.text) << c.answer;
      EXPECT_EQ(got.calls, c.wanted.calls) << c.answer;
    }
}

TEST(ToolCalls, GrammarsAreWhatIsReadBack) {
  const struct {
    const char* chat_template;
    const char* one;
    const char* two;
  } cases[] = {
      {"… <tool_call> …",
       "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
       "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n"
       "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
       "\"서울\", \"unit\": \"C\"}}\n</tool_call>"},
      {"… [TOOL_CALLS] …", "[{\"name\": \"now\", \"arguments\": {\"x\": 1}}]",
       "[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"get_weather\", "
       "\"arguments\": {\"city\": \"서울\"}}]"},
      {"…", "{\"name\": \"now\", \"parameters\": {}}",
       "{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"now\", "
       "\"parameters\": {}}"},
  };
  for (const auto& c : cases) {
    const ToolCallFormat format = tool_call_format(c.chat_template);
    ToolChoice choice;
    choice.mode = ToolChoice::Mode::required;
    const Grammar any = tool_call_grammar(format, kTools, choice);
    EXPECT_TRUE(has(any, c.one)) << c.one;
    EXPECT_TRUE(has(any, c.two)) << c.two;
    EXPECT_FALSE(has(any, "서울은 맑습니다."));
    EXPECT_FALSE(has(any, ""));
    Rng rng(3);
    EXPECT_EQ(parse(c.one, rng).calls.size(), 1u);
    EXPECT_EQ(parse(c.two, rng).calls.size(), 2u);
    choice.parallel = false;
    const Grammar single = tool_call_grammar(format, kTools, choice);
    EXPECT_TRUE(has(single, c.one));
    EXPECT_FALSE(has(single, c.two));
    choice.name = "get_weather";
    const Grammar named = tool_call_grammar(format, kTools, choice);
    EXPECT_FALSE(has(named, c.one));
  }
}

}  // namespace
}  // namespace seodang
