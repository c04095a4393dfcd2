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
      {R"(["prompt"])", "must be a JSON object"},
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

}  // namespace
}  // namespace seodang
