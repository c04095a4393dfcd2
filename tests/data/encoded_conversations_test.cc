#include "data/encoded_conversations.h"

#include "data/data_test.h"
#include "data/small_tokenizer.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

Tokenizer chat_tokenizer() {
  Tokenizer tokenizer = small_tokenizer();
  tokenizer.set_chat_template(kLlama3ChatTemplate);
  return tokenizer;
}

const Conversation kTwoTurns = {{{"system", "Be brief."},
                                 {"user", "1+1?"},
                                 {"assistant", "It is 2."},
                                 {"user", "2+2?"},
                                 {"assistant", "4"}},
                                1,
                                "a.jsonl"};

// Of a conversation that is encoded in one.
EncodedChat whole_of(const Tokenizer& tokenizer,
                     const Conversation& conversation,
                     bool parse_special = false) {
  auto all = encode_conversation(tokenizer, conversation, parse_special);
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

// The text, outputs in double brackets.
std::string marked(const Tokenizer& tokenizer, const EncodedChat& chat) {
  std::string text;
  bool output = false;
  for (size_t i = 0; i < chat.tokens.size(); ++i) {
    if (output != (chat.is_output[i] == 1)) text += output ? "]]" : "[[";
    output = chat.is_output[i] == 1;
    text += tokenizer.token_bytes(chat.tokens[i]);
  }
  return output ? text + "]]" : text;
}

TEST(EncodeConversation, MarksWhatTheAssistantSays) {
  const Tokenizer tokenizer = chat_tokenizer();
  const EncodedChat encoded = whole_of(tokenizer, kTwoTurns);
  ASSERT_EQ(encoded.tokens.size(), encoded.is_output.size());
  EXPECT_EQ(marked(tokenizer, encoded),
            "<|begin_of_text|>"
            "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
            "[[It is 2.<|eot_id|>]]"
            "<|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
            "[[4<|eot_id|>]]");
  EXPECT_EQ(encoded.tokens.front(), tokenizer.bos_token_id());
  EXPECT_EQ(encoded.tokens.back(), tokenizer.find("<|eot_id|>"));
}

TEST(EncodeConversation, AnswersOfWeight0AreNotMarked) {
  const Tokenizer tokenizer = chat_tokenizer();
  Conversation conversation = kTwoTurns;
  conversation.messages[2].is_learned = false;
  const EncodedChat encoded = whole_of(tokenizer, conversation);
  EXPECT_EQ(encoded.tokens, whole_of(tokenizer, kTwoTurns).tokens);
  const std::string text = marked(tokenizer, encoded);
  EXPECT_NE(text.find("\n\nIt is 2.<|eot_id|>"), std::string::npos);
  EXPECT_NE(text.find("[[4<|eot_id|>]]"), std::string::npos);
  conversation.messages[2].is_learned = true;
  conversation.messages[4].is_learned = false;  // the last: nothing behind it
  EXPECT_TRUE(
      marked(tokenizer, whole_of(tokenizer, conversation)).ends_with("]]"));
}

// Tools, calls and results are the template's to write; special tokens in them
// are text, as everywhere.
TEST(EncodeConversation, ToolTurnsGoThroughTheTemplate) {
  Tokenizer tokenizer = small_tokenizer();
  tokenizer.set_chat_template(
      "{%- for tool in tools %}[{{ tool.name }}]{% endfor %}"
      "{%- for m in messages %}<|start_header_id|>{{ m.role }}"
      "<|end_header_id|>{% if m.tool_calls %}"
      "{{ m.tool_calls[0].function | tojson }}"
      "{% else %}{{ m.content }}{% endif %}<|eot_id|>{% endfor %}"
      "{%- if add_generation_prompt %}<|start_header_id|>assistant"
      "<|end_header_id|>{% endif %}");
  const Conversation conversation = {
      {{"user", "sky?"},
       {"assistant", "",
        R"({"tool_calls":[{"function":{"name":"f","a":"<|eot_id|>"}}]})"},
       {"tool", "blue"},
       {"assistant", "Blue."}},
      1,
      "a.jsonl",
      R"([{"name":"f<|eot_id|>"}])"};
  const EncodedChat encoded = whole_of(tokenizer, conversation);
  EXPECT_EQ(marked(tokenizer, encoded),
            "[f<|eot_id|>]<|start_header_id|>user<|end_header_id|>sky?"
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
            R"([[{"name": "f", "a": "<|eot_id|>"}<|eot_id|>]])"
            "<|start_header_id|>tool<|end_header_id|>blue<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>[[Blue.<|eot_id|>]]");
  EXPECT_EQ(std::ranges::count(encoded.tokens, *tokenizer.find("<|eot_id|>")),
            4);
}

TEST(EncodeConversation, BeginsTheAnswerWhereGenerationBegins) {
  const Tokenizer tokenizer = chat_tokenizer();
  const Conversation one = {
      {{"user", "대한민국의 수도는?"}, {"assistant", "서울입니다."}},
      1,
      "a.jsonl"};
  const auto encoded = whole_of(tokenizer, one);
  const auto prompt = tokenizer.encode(
      render_chat(tokenizer.chat_template(), {one.messages.data(), 1}, true,
                  "<|begin_of_text|>", "<|end_of_text|>"),
      {.parse_special = true});
  ASSERT_LT(prompt.size(), encoded.tokens.size());
  for (size_t i = 0; i < encoded.tokens.size(); ++i) {
    EXPECT_EQ(encoded.is_output[i], i >= prompt.size());
    if (i < prompt.size()) {
      EXPECT_EQ(encoded.tokens[i], prompt[i]);
    }
  }
}

TEST(EncodeConversation, SaysWhereATemplateFails) {
  Tokenizer tokenizer = chat_tokenizer();
  const auto complaint = [&](const char* chat_template) {
    tokenizer.set_chat_template(chat_template);
    return error_of([&] { encode_conversation(tokenizer, kTwoTurns); });
  };
  EXPECT_NE(complaint("").find("no chat template"), std::string::npos);
  EXPECT_NE(complaint("{{ messages | length }}")
                .find("a.jsonl:1: the chat template does not write"),
            std::string::npos);
  EXPECT_NE(
      complaint("{{ raise_exception('no system here') }}").find("a.jsonl:1: "),
      std::string::npos);
}

// Qwen3 writes thinking before the last answer and not before earlier ones:
// each is an example of its own, behind what came before as it is asked for
// then.
TEST(EncodeConversation, AnswersThatArePastAreExamplesOfTheirOwn) {
  Tokenizer tokenizer = chat_tokenizer();
  tokenizer.set_chat_template(
      "{%- for m in messages -%}{{ m.role + ':' }}"
      "{%- if m.role == 'assistant' and loop.last -%}{{ '<think></think>' }}"
      "{%- endif -%}{{ m.content + '<|eot_id|>' }}{%- endfor -%}"
      "{%- if add_generation_prompt -%}{{ 'assistant:' }}{%- endif -%}");
  const auto all = encode_conversation(tokenizer, kTwoTurns);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(marked(tokenizer, all[0]),
            "system:Be brief.<|eot_id|>user:1+1?<|eot_id|>assistant:"
            "[[<think></think>It is 2.<|eot_id|>]]");
  EXPECT_EQ(marked(tokenizer, all[1]),
            "system:Be brief.<|eot_id|>user:1+1?<|eot_id|>assistant:It is 2."
            "<|eot_id|>user:2+2?<|eot_id|>assistant:"
            "[[<think></think>4<|eot_id|>]]");
  const std::vector<Conversation> one = {kTwoTurns};
  EXPECT_EQ(
      encode_conversations(tokenizer, std::span(one), {.max_length = 1000})
          .size(),
      2);
}

// R1 opens the thinking in what it asks with, and takes it out of what was
// answered: the answer stands behind what it asks with.
TEST(EncodeConversation, TheAnswerStandsBehindTheGenerationPrompt) {
  Tokenizer tokenizer = chat_tokenizer();
  tokenizer.set_chat_template(
      "{%- for m in messages -%}{%- if m.role == 'user' -%}{{ 'U:' + m.content "
      "}}{%- elif m.role == 'assistant' -%}{{ 'A:' + "
      "m.content.split('</think>')[-1] + eos_token }}{%- endif -%}"
      "{%- endfor -%}{%- if add_generation_prompt -%}{{ 'A:<think>' }}"
      "{%- endif -%}");
  const Conversation one = {
      {{"user", "1+1?"}, {"assistant", "2 <|eot_id|>"}}, 1, "a.jsonl"};
  const EncodedChat chat = whole_of(tokenizer, one);
  EXPECT_EQ(marked(tokenizer, chat),
            "U:1+1?A:<think>[[2 <|eot_id|>" +
                std::string(tokenizer.token_bytes(tokenizer.eos_token_id())) +
                "]]");
  // Spelled out, it is text.
  EXPECT_EQ(std::ranges::count(chat.tokens, *tokenizer.find("<|eot_id|>")), 0);
  EXPECT_EQ(end_of_answer(tokenizer), tokenizer.eos_token_id());
}

TEST(EncodeConversation, SpecialTokensInExamplesAreTextUnlessMeant) {
  const Tokenizer tokenizer = chat_tokenizer();
  const Conversation one = {
      {{"user", "Which token ends a turn?"}, {"assistant", "<|eot_id|>"}},
      1,
      "a.jsonl"};
  const int32_t eot = *tokenizer.find("<|eot_id|>");
  const auto ends = [&](bool parse_special) {
    const auto encoded = whole_of(tokenizer, one, parse_special);
    return std::count(encoded.tokens.begin(), encoded.tokens.end(), eot);
  };
  EXPECT_EQ(ends(false), 2);  // of the question and of the answer
  EXPECT_EQ(ends(true), 3);
}

TEST(EncodeConversations, DropsCutsOrRefusesTheTooLong) {
  const Tokenizer tokenizer = chat_tokenizer();
  const Conversation brief = {
      {{"user", "1+1?"}, {"assistant", "2"}}, 1, "a.jsonl"};
  const std::vector<Conversation> both = {kTwoTurns, brief};
  const auto expected = whole_of(tokenizer, brief);
  const auto limit = static_cast<int32_t>(expected.tokens.size());
  const ConversationSet set =
      encode_conversations(tokenizer, both, {.max_length = limit});
  EXPECT_EQ(set.dropped, 1);
  ASSERT_EQ(set.size(), 1);
  EXPECT_EQ(set.tokens, expected.tokens);
  EXPECT_EQ(set.is_output, expected.is_output);
  EXPECT_EQ(set.too_long_example, "a.jsonl:1");
  const ConversationSet cut = encode_conversations(
      tokenizer, both,
      {.max_length = limit + 4, .too_long = TooLong::truncate});
  const auto whole = whole_of(tokenizer, kTwoTurns);
  const auto first_output =
      std::find(whole.is_output.begin(), whole.is_output.end(), 1) -
      whole.is_output.begin();
  // Its beginning is kept when that holds a part of an answer.
  const bool kept = first_output < limit + 4;
  EXPECT_EQ(cut.truncated, kept);
  EXPECT_EQ(cut.dropped, !kept);
  const ConversationSet longer = encode_conversations(
      tokenizer, both,
      {.max_length = static_cast<int32_t>(first_output) + 1,
       .too_long = TooLong::truncate});
  EXPECT_EQ(longer.truncated, 1);
  EXPECT_EQ(longer.offsets[1], first_output + 1);
  EXPECT_EQ(longer.is_output[static_cast<size_t>(first_output)], 1);
  EXPECT_NE(error_of([&] {
              encode_conversations(
                  tokenizer, both,
                  {.max_length = limit, .too_long = TooLong::refuse});
            }).find("a.jsonl:1: "),
            std::string::npos);
}

// Of a pair only the last answers are outputs; both stay or neither does.
TEST(EncodePreferences, BothAnswersBehindOnePrompt) {
  const Tokenizer tokenizer = chat_tokenizer();
  Preference pair = {kTwoTurns, kTwoTurns};
  pair.rejected.messages.back().content = "4. And 3+3 is 6.";
  const std::vector<Preference> pairs = {pair, pair};
  const ConversationSet set =
      encode_conversations(tokenizer, std::span(pairs), {.max_length = 1000});
  ASSERT_EQ(set.size(), 2);
  ASSERT_EQ(set.rejected.size(), 2u);
  const int64_t middle = set.rejected[0], end = set.offsets[1];
  const auto output = [&](int64_t begin, int64_t stop) {
    std::string text;
    for (int64_t i = begin; i < stop; ++i)
      if (set.is_output[i]) text += tokenizer.token_bytes(set.tokens[i]);
    return text;
  };
  EXPECT_EQ(output(0, middle), "4<|eot_id|>");
  EXPECT_EQ(output(middle, end), "4. And 3+3 is 6.<|eot_id|>");
  EXPECT_EQ(set.tokens[middle], tokenizer.bos_token_id());
  const auto chosen = whole_of(tokenizer, pair.chosen);
  EXPECT_EQ(std::vector(set.tokens.begin(), set.tokens.begin() + middle),
            chosen.tokens);

  // The rejected one alone is too long.
  const auto limit = static_cast<int32_t>(middle);
  EncodeConversations options = {.max_length = limit};
  EXPECT_EQ(encode_conversations(tokenizer, std::span(pairs), options).dropped,
            2);
  options.too_long = TooLong::truncate;
  const ConversationSet cut =
      encode_conversations(tokenizer, std::span(pairs), options);
  EXPECT_EQ(cut.truncated, 2);
  EXPECT_EQ(cut.offsets[1], 2 * middle);
}

}  // namespace
}  // namespace seodang
