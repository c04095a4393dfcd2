#include "data/conversations.h"

#include "data/data_test.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::vector<Conversation> read(const std::string& lines) {
  const fs::path file = scratch() / "a.jsonl";
  write_test_file(file, lines);
  return read_conversations(file);
}

void expect_messages(const Conversation& conversation,
                     const std::vector<Message>& expected) {
  ASSERT_EQ(conversation.messages.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(conversation.messages[i].role, expected[i].role);
    EXPECT_EQ(conversation.messages[i].content, expected[i].content);
  }
}

TEST(ReadConversations, KnowsEveryShape) {
  const auto all =
      read(R"({"instruction": "번역하라.", "input": "dog", "output": "개"}
{"instruction": "Translate.", "information": "개", "output": "dog"}
{"instruction": "Greet.", "input": "", "output": "Hello."}
{"instruction": "Greet.", "input": null, "output": "Hello."}

{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
{"id": 7, "conversations": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]}
{"prompt": "1+1?", "completion": "\r\n2 "}
)");
  ASSERT_EQ(all.size(), 7u);
  expect_messages(all[0], {{"user", "번역하라.\n\ndog"}, {"assistant", "개"}});
  expect_messages(all[1], {{"user", "Translate.\n\n개"}, {"assistant", "dog"}});
  expect_messages(all[2], {{"user", "Greet."}, {"assistant", "Hello."}});
  expect_messages(all[3], {{"user", "Greet."}, {"assistant", "Hello."}});
  expect_messages(all[4], {{"system", "Be brief."},
                           {"user", "1+1?"},
                           {"assistant", "2"},
                           {"user", "2+2?"},
                           {"assistant", "4"}});
  expect_messages(all[5], {{"user", "1+1?"}, {"assistant", "2"}});
  expect_messages(all[6], {{"user", "1+1?"}, {"assistant", "2"}});
  EXPECT_EQ(all[4].line, 6u);
  EXPECT_TRUE(all[4].source.ends_with("a.jsonl"));
  EXPECT_EQ(instruction_prompt("번역하라.", "dog"), all[0].messages[0].content);
}

// LLaMA-Factory's Alpaca: what was before is read and not learned.
TEST(ReadConversations, SystemAndHistoryStandBefore) {
  const auto all = read(
      R"({"instruction": "그럼 인구는?", "input": "", "output": "약 940만 명", "system": "짧게 답하십시오.", "history": [["대한민국의 수도는?", "서울입니다."]]}
{"instruction": "a", "output": "b", "system": "", "history": []}
{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"})");
  expect_messages(all.at(0), {{"system", "짧게 답하십시오."},
                              {"user", "대한민국의 수도는?"},
                              {"assistant", "서울입니다."},
                              {"user", "그럼 인구는?"},
                              {"assistant", "약 940만 명"}});
  EXPECT_FALSE(all[0].messages[2].is_learned);
  EXPECT_TRUE(all[0].messages[4].is_learned);
  expect_messages(all.at(1), {{"user", "a"}, {"assistant", "b"}});
  expect_messages(all.at(2),
                  {{"system", "s"}, {"user", "a"}, {"assistant", "b"}});
}

// OpenAI's fine-tuning format.
TEST(ReadConversations, AWeightOf0IsReadAndNotLearned) {
  const auto all = read(
      R"({"messages": [{"role": "user", "content": "수도는?"}, {"role": "assistant", "content": "부산", "weight": 0}, {"role": "user", "content": "아니요"}, {"role": "assistant", "content": "서울", "weight": 1}]})");
  EXPECT_FALSE(all.at(0).messages[1].is_learned);
  EXPECT_TRUE(all.at(0).messages[3].is_learned);
}

TEST(ReadConversations, KeepsCallsOfToolsAndWhatTheyGive) {
  const auto all = read(
      R"({"tools": [{"type": "function", "function": {"name": "f"}}], "messages": [{"role": "user", "content": "날씨?"}, {"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"z\": 1, \"a\": \"서울\"}"}}]}, {"role": "tool", "tool_call_id": "x", "content": "맑음"}, {"role": "assistant", "content": "맑음"}]}
{"tools": "[{\"name\": \"f\"}]", "conversations": [{"from": "human", "value": "날씨?"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"a\": 1}}"}, {"from": "observation", "value": "맑음"}, {"from": "gpt", "value": "맑음"}]})");
  expect_messages(all.at(0), {{"user", "날씨?"},
                              {"assistant", ""},
                              {"tool", "맑음"},
                              {"assistant", "맑음"}});
  EXPECT_EQ(all[0].tools, R"([{"type":"function","function":{"name":"f"}}])");
  EXPECT_EQ(
      all[0].messages[1].more,
      R"({"tool_calls":[{"type":"function","function":{"name":"f","arguments":{"z":1,"a":"서울"}}}],"content":null})");
  EXPECT_EQ(all[0].messages[2].more, R"({"tool_call_id":"x"})");
  expect_messages(all.at(1), {{"user", "날씨?"},
                              {"assistant", ""},
                              {"tool", "맑음"},
                              {"assistant", "맑음"}});
  EXPECT_EQ(all[1].tools, R"([{"name":"f"}])");
  EXPECT_EQ(
      all[1].messages[1].more,
      R"({"tool_calls":[{"type":"function","function":{"name":"f","arguments":{"a":1}}}],"content":null})");
}

// Nothing that was given gets lost without a word.
TEST(ReadConversations, TellsOnceWhatItDoesNotUse) {
  testing::internal::CaptureStderr();
  const auto all = read(R"({"prompt": "a", "completion": "b", "id": 7}
{"prompt": "a", "completion": " \n", "id": 8}
{"prompt": "c", "completion": "d", "score": 1, "note": null}
{"instruction": "e", "output": ""}
{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "mood": "calm"}], "prompt": "a"}
)");
  EXPECT_EQ(all.size(), 3u);
  const std::string file = all.at(0).source;
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: " + file +
                ": 2 examples without an answer to learn are left out, the "
                "first in line 2\nwarning: " +
                file +
                ": keys that are not used: id (in 2), messages[].mood (in 1), "
                "prompt (in 1), score (in 1)\n");
}

TEST(ReadConversations, ColumnsMayHaveOtherNames) {
  const fs::path dir = scratch();
  write_test_file(dir / "a.csv", "질문,답\n수도는?,서울\n");
  const ExampleFormat format = {.columns = "instruction=질문,output=답"};
  expect_messages(read_conversations(dir / "a.csv", format).at(0),
                  {{"user", "수도는?"}, {"assistant", "서울"}});
  write_test_file(dir / "a.jsonl", R"({"question": "a", "answer": "b"})");
  expect_messages(
      read_conversations(dir / "a.jsonl",
                         {.columns = "prompt=question,completion=answer"})
          .at(0),
      {{"user", "a"}, {"assistant", "b"}});
  const auto said = [&](const std::string& columns, const char* what) {
    const std::string error = error_of(
        [&] { read_conversations(dir / "a.csv", {.columns = columns}); });
    EXPECT_NE(error.find(what), std::string::npos) << error;
  };
  said("instruction=물음,output=답", "no column \"물음\"; there are 질문, 답");
  said("question=질문", "\"question\" is not a key");
  said("instruction", "\"instruction\" is not KEY=NAME");
  said("", "--columns instruction=NAME");
}

// As Korean spreadsheets save it.
TEST(ReadConversations, TablesMayBeInCp949) {
  const fs::path dir = scratch();
  write_test_file(dir / "a.csv",
                  "instruction,output\n"
                  "\xBC\xF6\xB5\xB5\xB4\xC2\x3F\x2C\xBC\xAD\xBF\xEF"
                  "\n");
  EXPECT_NE(error_of([&] {
              read_conversations(dir / "a.csv");
            }).find("read it with --encoding cp949"),
            std::string::npos);
  expect_messages(
      read_conversations(dir / "a.csv", {.encoding = "cp949"}).at(0),
      {{"user", "수도는?"}, {"assistant", "서울"}});
}

TEST(ReadConversations, AnArrayIsAFileOfThem) {
  const auto all = read(
      "[\n  {\"prompt\": \"a\", \"completion\": \"b\"},\n"
      "  {\"prompt\": \"c\",\n   \"completion\": \"d\"}\n]\n");
  ASSERT_EQ(all.size(), 2u);
  expect_messages(all[1], {{"user", "c"}, {"assistant", "d"}});
  EXPECT_EQ(all[1].line, 3u);
}

TEST(ReadConversations, NamesLineAndKeyOfBadInput) {
  const struct {
    const char *line, *message;
  } kCases[] = {
      {R"({"instruction": "a"})", R"(missing key "output")"},
      {R"({"prompt": "a"})", R"(missing key "completion")"},
      {R"({"instruction": 1, "output": "b"})",
       R"("instruction" must be a string)"},
      {R"({"question": "a", "answer": "b"})", "none of the known shapes"},
      {R"({"messages": "a"})", R"("messages" must be a list)"},
      {R"({"messages": []})", R"("messages" holds no answer)"},
      {R"({"messages": [{"role": "user", "content": "a"}]})",
       R"("messages" holds no answer)"},
      {R"({"messages": [7]})", R"(missing key "messages"[0].role)"},
      {R"({"messages": [{"role": "user"}]})",
       R"(missing key "messages"[0].content)"},
      {R"({"messages": [{"role": "user", "content": "a"}, {"role": "robot", "content": "b"}]})",
       R"("messages"[1].role is "robot")"},
      {R"({"messages": [{"role": "assistant", "content": null}]})",
       R"("messages"[0].content must be a string)"},
      {R"({"conversations": [{"from": "human", "text": "a"}]})",
       R"(missing key "conversations"[0].value)"},
      {R"("prompt")", "must be a JSON object"},
      {R"({"prompt": "\ud83d", "completion": "b"})", "half of a surrogate"},
      {R"({"prompt": "a", "completion": "b")", "broken JSON"},
      {"{\"prompt\": \"\xFF\", \"completion\": \"b\"}", "not UTF-8"},
  };
  for (const auto& one : kCases) {
    const std::string good = R"({"prompt": "a", "completion": "b"})";
    const std::string error =
        error_of([&] { read(good + "\n" + one.line + "\n"); });
    EXPECT_NE(error.find(std::string("a.jsonl:2: ")), std::string::npos)
        << error;
    EXPECT_NE(error.find(one.message), std::string::npos) << error;
  }
  EXPECT_NE(error_of([] { read("\n\n"); }).find("holds no example"),
            std::string::npos);
  EXPECT_NE(error_of([] { read(""); }).find("holds no example"),
            std::string::npos);
  EXPECT_NE(error_of([] { read_conversations("/none.jsonl"); }), "");
}

std::vector<Preference> read_pairs(const std::string& lines,
                                   const char* name = "pairs.jsonl") {
  const fs::path file = scratch() / name;
  write_test_file(file, lines);
  return read_preferences(file);
}

TEST(ReadPreferences, KnowsEveryShape) {
  const std::vector<Preference> all = read_pairs(
      R"({"prompt": "1+1?", "chosen": "2", "rejected": "2. 2+2? 4"}
{"instruction": "Add.", "input": "1+1", "chosen": "2", "rejected": "2. 2+2? 4"}
{"prompt": [{"role": "user", "content": "1+1?"}], "chosen": [{"role": "assistant", "content": "2"}], "rejected": [{"role": "assistant", "content": "2. 2+2? 4"}]}
{"prompt": "1+1?", "chosen": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}], "rejected": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2. 2+2? 4"}], "score_chosen": 7}
{"messages": [{"role": "user", "content": "1+1?"}], "chosen": {"role": "assistant", "content": "2"}, "rejected": {"role": "assistant", "content": "2. 2+2? 4"}}
{"conversations": [{"from": "human", "value": "1+1?"}], "chosen": {"from": "gpt", "value": "2"}, "rejected": {"from": "gpt", "value": "2. 2+2? 4"}}
{"chosen": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}], "rejected": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2. 2+2? 4"}]}
)");
  ASSERT_EQ(all.size(), 7u);
  for (size_t i = 0; i < all.size(); ++i) {
    std::vector<Message> expected = {{"user", "1+1?"}};
    if (i == 1) expected = {{"user", "Add.\n\n1+1"}};
    if (i == 6) expected.insert(expected.begin(), {"system", "Be brief."});
    expected.push_back({"assistant", "2"});
    expect_messages(all[i].chosen, expected);
    expected.back() = {"assistant", "2. 2+2? 4"};
    expect_messages(all[i].rejected, expected);
    EXPECT_EQ(all[i].rejected.line, i + 1);
  }
  const auto rows =
      read_pairs("prompt,chosen,rejected\n1+1?,2,\"2. 2+2? 4\"\n", "pairs.csv");
  ASSERT_EQ(rows.size(), 1u);
  expect_messages(rows[0].rejected,
                  {{"user", "1+1?"}, {"assistant", "2. 2+2? 4"}});
}

TEST(ReadPreferences, NamesLineAndKeyOfBadInput) {
  const struct {
    const char *line, *message;
  } kCases[] = {
      {R"({"prompt": "a", "chosen": "b"})", R"(missing key "rejected")"},
      {R"({"prompt": "a", "completion": "b"})", R"(missing key "chosen")"},
      {R"({"prompt": "a", "chosen": "", "rejected": "c"})",
       R"("chosen" is empty)"},
      {R"({"prompt": "a", "chosen": 3, "rejected": "c"})",
       R"("chosen" must be a string)"},
      {R"({"chosen": "b", "rejected": "c"})",
       R"(no prompt that "chosen" answers)"},
      {R"({"prompt": "a", "chosen": [], "rejected": "c"})",
       R"("chosen" does not end with an answer)"},
      {R"({"prompt": "a", "chosen": [{"role": "user", "content": "b"}], "rejected": "c"})",
       R"("chosen" does not end with an answer)"},
      {R"({"prompt": "a", "chosen": [{"role": "user", "content": "other"}, {"role": "assistant", "content": "b"}], "rejected": "c"})",
       "answer different prompts"},
  };
  for (const auto& one : kCases) {
    const std::string error =
        error_of([&] { read_pairs(std::string("\n") + one.line + "\n"); });
    EXPECT_NE(error.find(std::string("pairs.jsonl:2: ")), std::string::npos)
        << error;
    EXPECT_NE(error.find(one.message), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace seodang
