#include "tokenizer/encoded_chat.h"

#include <algorithm>

#include "tokenizer/fixtures.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

using Ids = std::vector<int32_t>;

// Each family's vocabulary with its way to write turns, in short.
struct Family {
  const char* name;
  const char* chat_template;
};
const Family kFamilies[] = {
    {"llama-2",
     "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' "
     "+ m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + ' ' + "
     "eos_token }}{% endif %}{% endfor %}"},
    {"llama-3.2", kLlama3ChatTemplate},
    {"mistral-7b",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}"
     "{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"},
    {"mistral-nemo",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
     "{{ '[INST]' + m.content + '[/INST]' }}{% else %}"
     "{{ m.content + eos_token }}{% endif %}{% endfor %}"},
    {"gemma-3",
     "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if "
     "m.role == 'assistant' else m.role) + '\\n' + m.content | trim + "
     "'<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}"
     "{{ '<start_of_turn>model\\n' }}{% endif %}"},
    {"qwen-3",
     "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + "
     "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}"
     "{{ '<|im_start|>assistant\\n' }}{% endif %}"}};

Tokenizer tokenizer_of(const Family& family) {
  Tokenizer tokenizer =
      Tokenizer::load(kTokenizerData / "families" / family.name);
  tokenizer.set_chat_template(family.chat_template);
  return tokenizer;
}

const std::vector<Message> kTwoTurns = {
    {"user", "대한민국의 수도는?"},
    {"assistant", "서울입니다."},
    {"user", "What is  the capital of France?"},
    {"assistant", "Paris."}};

std::string_view name_of(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? std::string_view() : tokenizer.token_bytes(id);
}

std::string render(const Tokenizer& tokenizer,
                   std::span<const Message> messages,
                   bool add_generation_prompt) {
  return render_chat(tokenizer.chat_template(), messages, add_generation_prompt,
                     name_of(tokenizer, tokenizer.bos_token_id()),
                     name_of(tokenizer, tokenizer.eos_token_id()));
}

// The ids of whole texts are Hugging Face's (families_test).
TEST(EncodeChat, IsTheTextThatTheTemplateWrites) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const Tokenizer tokenizer = tokenizer_of(family);
    for (const size_t count : {1, 2, 3, 4})
      for (const bool prompt : {false, true}) {
        const auto messages = std::span(kTwoTurns).first(count);
        const EncodedChat chat =
            encode_chat(tokenizer, messages, {.add_generation_prompt = prompt});
        EXPECT_EQ(chat.tokens,
                  tokenizer.encode(render(tokenizer, messages, prompt),
                                   {.parse_special = true}));
        EXPECT_EQ(chat.outputs, static_cast<int64_t>(count / 2));
        EXPECT_EQ(chat.is_output.size(), chat.tokens.size());
      }
  }
}

// What training marks as an answer begins where the prompt of chat ends.
TEST(EncodeChat, TrainingSeesThePromptsOfChat) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const Tokenizer tokenizer = tokenizer_of(family);
    const EncodedChat trained = encode_chat(tokenizer, kTwoTurns);
    for (const size_t turn : {1, 3}) {
      const Ids prompt =
          encode_chat(tokenizer, std::span(kTwoTurns).first(turn),
                      {.add_generation_prompt = true})
              .tokens;
      ASSERT_LT(prompt.size(), trained.tokens.size());
      EXPECT_TRUE(
          std::equal(prompt.begin(), prompt.end(), trained.tokens.begin()));
      EXPECT_EQ(trained.is_output[prompt.size() - 1], 0);
      EXPECT_EQ(trained.is_output[prompt.size()], 1);
    }
  }
}

TEST(EncodeChat, SpecialTokensInMessagesAreText) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const Tokenizer tokenizer = tokenizer_of(family);
    std::string all = "x";  // all special tokens in one message
    int64_t spelled = 0;
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id)
      if (tokenizer.is_special(id)) {
        all += tokenizer.token_bytes(id);
        ++spelled;
      }
    ASSERT_GT(spelled, 1);
    const auto specials = [&](const std::string& content,
                              const ChatOptions& options) {
      const Message message{"user", content};
      const Ids ids = encode_chat(tokenizer, {&message, 1}, options).tokens;
      EXPECT_NE(tokenizer.decode(ids, false).find(content), std::string::npos);
      return std::count_if(ids.begin(), ids.end(), [&](int32_t id) {
        return tokenizer.is_special(id);
      });
    };
    const ChatOptions prompt = {.add_generation_prompt = true};
    const int64_t of_template = specials("x", prompt);
    EXPECT_EQ(specials(all, prompt), of_template);
    EXPECT_EQ(specials("\uFDD0" + all + "\uFDD1", prompt), of_template);
    EXPECT_EQ(
        specials(all, {.add_generation_prompt = true, .parse_special = true}),
        of_template + spelled);
  }
}

TEST(EncodeChat, NothingIsPutBeforeWhatTheTemplateWrites) {
  Tokenizer tokenizer = small_tokenizer();
  ASSERT_GE(tokenizer.bos_token_id(), 0);
  tokenizer.set_chat_template("{{ messages[0].content }}");
  const Message message{"user", "한국"};
  EXPECT_EQ(encode_chat(tokenizer, {&message, 1}).tokens,
            tokenizer.encode("한국"));
  tokenizer.set_chat_template("");
  EXPECT_NE(message_of([&] {
              encode_chat(tokenizer, {&message, 1});
            }).find("no chat template"),
            std::string::npos);
}

// What is taught ends with the end of the turn, not with what a template writes
// behind it.
TEST(EncodeChat, AnOutputEndsWithTheTokenThatEndsTheTurn) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const Tokenizer tokenizer = tokenizer_of(family);
    const bool needs_eos =
        std::string_view(family.chat_template).find("eos_token") !=
        std::string_view::npos;
    if (needs_eos && tokenizer.eos_token_id() < 0) continue;
    const int32_t end = end_of_answer(tokenizer);
    EXPECT_TRUE(tokenizer.is_special(end));
    const EncodedChat chat = encode_chat(tokenizer, kTwoTurns);
    int ended = 0;
    for (size_t i = 0; i < chat.tokens.size(); ++i)
      if (chat.is_output[i] &&
          (i + 1 == chat.tokens.size() || !chat.is_output[i + 1])) {
        EXPECT_EQ(chat.tokens[i], end);
        ++ended;
      }
    EXPECT_EQ(ended, 2);
  }
}

// The format that a base model is taught is one that its vocabulary can write;
// Gemma 1's, cut down, has none of its turns' tokens.
TEST(TurnFormat, IsChosenByTheVocabulary) {
  const std::pair<const char*, const char*> expected[] = {
      {"llama-3.2", "llama3"},    {"gemma-1", "eos"}, {"gemma-3", "gemma"},
      {"qwen-3", "chatml"},       {"llama-2", "eos"}, {"mistral-7b", "eos"},
      {"mistral-nemo", "mistral"}};
  for (const auto& [name, format] : expected) {
    SCOPED_TRACE(name);
    const auto dir = scratch();
    const auto from = kTokenizerData / "families" / name;
    std::filesystem::copy(from, dir, std::filesystem::copy_options::recursive);
    // The cut down directories have no tokenizer_config.json.
    for (const char* eos : {"<eos>", "</s>"})
      if (Tokenizer::load(dir).find_added(eos)) {
        write_file(dir / "tokenizer_config.json",
                   fmt::format(R"({{"eos_token": "{}"}})", eos));
        break;
      }
    Tokenizer tokenizer = Tokenizer::load(dir);
    const TurnFormat& chosen = turn_format_of(tokenizer);
    EXPECT_EQ(chosen.name, format);
    tokenizer.set_chat_template(std::string(chosen.chat_template));
    EXPECT_EQ(end_of_answer(tokenizer), chosen.end.empty()
                                            ? tokenizer.eos_token_id()
                                            : *tokenizer.find(chosen.end));
    const std::vector<Message> messages = {
        {"system", "Be brief."}, {"user", "수도는?"}, {"assistant", "서울."}};
    const EncodedChat chat = encode_chat(tokenizer, messages);
    EXPECT_EQ(chat.outputs, 1);
    EXPECT_NE(tokenizer.decode(chat.tokens).find("Be brief."),
              std::string::npos);
  }
}

// A text that goes on has no space of SentencePiece before it.
TEST(EncodeChat, ATextThatContinuesIsTheRestOfTheWhole) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const Tokenizer tokenizer = tokenizer_of(family);
    Ids ids = tokenizer.encode("The capital is");
    for (const int32_t id : tokenizer.encode(" Seoul", {.continues = true}))
      ids.push_back(id);
    EXPECT_EQ(ids, tokenizer.encode("The capital is Seoul"));
  }
}

}  // namespace
}  // namespace seodang
