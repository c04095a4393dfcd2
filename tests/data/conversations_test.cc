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
      {R"({"prompt": "a", "completion": " \n"})", R"("completion" is empty)"},
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
      {R"({"messages": [{"role": "assistant", "content": ""}]})",
       R"("messages"[0].content is empty)"},
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
