#include "data/encoded_conversations.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/threads.h"

namespace seodang {
namespace {

// What `encode` makes of the conversation, or an Error that names its place.
template <class Encode>
auto naming_place(const Conversation& conversation, Encode&& encode) {
  try {
    return encode();
  } catch (const Error& error) {
    throw Error("{}:{}: {}", conversation.source, conversation.line,
                error.what());
  }
}

}  // namespace

std::vector<EncodedChat> encode_conversation(const Tokenizer& tokenizer,
                                             const Conversation& conversation,
                                             bool parse_special) {
  const auto is_answer = [](const Message& message) {
    return message.role == "assistant" && message.is_learned;
  };
  std::span<const Message> messages = conversation.messages;
  while (!messages.empty() && !is_answer(messages.back()))
    messages = messages.first(messages.size() - 1);
  const ChatOptions options = {.parse_special = parse_special,
                               .tools = conversation.tools};
  return naming_place(conversation, [&]() -> std::vector<EncodedChat> {
    EncodedChat whole = encode_chat(tokenizer, messages, options);
    if (whole.outputs == std::ranges::count_if(messages, is_answer))
      return {std::move(whole)};
    std::vector<EncodedChat> answers;
    for (size_t i = 0; i < messages.size(); ++i)
      if (is_answer(messages[i]))
        answers.push_back(
            encode_answer(tokenizer, messages.first(i), messages[i], options));
    return answers;
  });
}

namespace {

// Whether each output's last token is one of `ends`.
bool every_output_ends(const EncodedChat& chat,
                       const std::vector<int32_t>& ends) {
  for (size_t i = 0; i < chat.tokens.size(); ++i) {
    const bool is_last = chat.is_output[i] && (i + 1 == chat.tokens.size() ||
                                               !chat.is_output[i + 1]);
    if (is_last &&
        std::find(ends.begin(), ends.end(), chat.tokens[i]) == ends.end())
      return false;
  }
  return true;
}

}  // namespace

TooLong too_long_of(std::string_view name) {
  if (name == "drop") return TooLong::drop;
  if (name == "truncate") return TooLong::truncate;
  if (name == "refuse") return TooLong::refuse;
  throw UsageError("too-long must be drop, truncate or refuse, not {}", name);
}

namespace {

void check_ends(const EncodedChat& chat, const Conversation& conversation,
                const EncodeConversations& options) {
  if (!options.end_tokens.empty() &&
      !every_output_ends(chat, options.end_tokens))
    throw Error(
        "{}:{}: the chat template ends an answer of this conversation with "
        "none of the model's end tokens",
        conversation.source, conversation.line);
}

// An example is one chat, or the two of a pair.
void add_example(ConversationSet& set, std::span<EncodedChat> example,
                 const Conversation& conversation,
                 const EncodeConversations& options) {
  const auto limit = static_cast<size_t>(options.max_length);
  const EncodedChat& longest = *std::ranges::max_element(
      example, {}, [](const EncodedChat& chat) { return chat.tokens.size(); });
  if (longest.tokens.size() > limit) {
    const std::string where =
        fmt::format("{}:{}", conversation.source, conversation.line);
    if (options.too_long == TooLong::refuse)
      throw Error("{}: an example of {} tokens; the context is {}", where,
                  longest.tokens.size(), options.max_length);
    if (set.too_long_example.empty()) set.too_long_example = where;
    bool keeps = options.too_long == TooLong::truncate;
    for (EncodedChat& chat : example) {
      chat.tokens.resize(std::min(limit, chat.tokens.size()));
      chat.is_output.resize(chat.tokens.size());
      keeps &= std::ranges::find(chat.is_output, 1) != chat.is_output.end();
    }
    ++(keeps ? set.truncated : set.dropped);
    if (!keeps) return;
  }
  for (const EncodedChat& chat : example) {
    if (&chat != example.data())
      set.rejected.push_back(static_cast<int64_t>(set.tokens.size()));
    set.tokens.insert(set.tokens.end(), chat.tokens.begin(), chat.tokens.end());
    set.is_output.insert(set.is_output.end(), chat.is_output.begin(),
                         chat.is_output.end());
  }
  set.offsets.push_back(static_cast<int64_t>(set.tokens.size()));
}

}  // namespace

ConversationSet encode_conversations(
    const Tokenizer& tokenizer, std::span<const Conversation> conversations,
    const EncodeConversations& options) {
  std::vector<std::vector<EncodedChat>> encoded(conversations.size());
  parallel_items(static_cast<int64_t>(conversations.size()), [&](int64_t i) {
    encoded[i] =
        encode_conversation(tokenizer, conversations[i], options.parse_special);
    for (const EncodedChat& chat : encoded[i])
      check_ends(chat, conversations[i], options);
  });
  ConversationSet set;
  for (size_t i = 0; i < encoded.size(); ++i)
    for (EncodedChat& chat : encoded[i])
      add_example(set, {&chat, 1}, conversations[i], options);
  return set;
}

ConversationSet encode_conversations(const Tokenizer& tokenizer,
                                     std::span<const Preference> preferences,
                                     const EncodeConversations& options) {
  std::vector<std::array<EncodedChat, 2>> encoded(preferences.size());
  parallel_items(static_cast<int64_t>(preferences.size()), [&](int64_t i) {
    for (const bool rejected : {false, true}) {
      const Conversation& conversation =
          rejected ? preferences[i].rejected : preferences[i].chosen;
      const std::span<const Message> messages = conversation.messages;
      EncodedChat& chat = encoded[i][rejected ? 1 : 0];
      chat = naming_place(conversation, [&] {
        return encode_answer(tokenizer, messages.first(messages.size() - 1),
                             messages.back(),
                             {.parse_special = options.parse_special,
                              .tools = conversation.tools});
      });
      check_ends(chat, conversation, options);
    }
  });
  ConversationSet set;
  for (size_t i = 0; i < encoded.size(); ++i)
    add_example(set, encoded[i], preferences[i].chosen, options);
  return set;
}

}  // namespace seodang
