#include "data/encoded_conversations.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"

namespace seodang {

EncodedChat encode_conversation(const Tokenizer& tokenizer,
                                const Conversation& conversation,
                                bool parse_special) {
  std::span<const Message> messages = conversation.messages;
  while (!messages.empty() && messages.back().role != "assistant")
    messages = messages.first(messages.size() - 1);
  EncodedChat out =
      encode_chat(tokenizer, messages, {.parse_special = parse_special});
  if (out.outputs != std::count_if(messages.begin(), messages.end(),
                                   [](const Message& message) {
                                     return message.role == "assistant";
                                   }))
    throw Error(
        "{}:{}: the chat template rewrites earlier turns of this "
        "conversation, so that outputs cannot be told apart",
        conversation.source, conversation.line);
  return out;
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

ConversationSet encode_conversations(
    const Tokenizer& tokenizer, std::span<const Conversation> conversations,
    const EncodeConversations& options) {
  std::vector<EncodedChat> encoded(conversations.size());
  parallel_items(static_cast<int64_t>(conversations.size()), [&](int64_t i) {
    encoded[i] =
        encode_conversation(tokenizer, conversations[i], options.parse_special);
    if (!options.end_tokens.empty() &&
        !every_output_ends(encoded[i], options.end_tokens))
      throw Error(
          "{}:{}: the chat template ends an answer of this conversation with "
          "none of the model's end tokens",
          conversations[i].source, conversations[i].line);
  });
  ConversationSet set;
  const auto limit = static_cast<size_t>(options.max_length);
  for (size_t i = 0; i < encoded.size(); ++i) {
    EncodedChat& one = encoded[i];
    if (one.tokens.size() > limit) {
      const std::string where =
          fmt::format("{}:{}", conversations[i].source, conversations[i].line);
      if (options.too_long == TooLong::refuse)
        throw Error("{}: an example of {} tokens; the context is {}", where,
                    one.tokens.size(), options.max_length);
      if (set.too_long_example.empty()) set.too_long_example = where;
      one.tokens.resize(limit);
      one.is_output.resize(limit);
      const bool keeps = options.too_long == TooLong::truncate &&
                         std::find(one.is_output.begin(), one.is_output.end(),
                                   1) != one.is_output.end();
      ++(keeps ? set.truncated : set.dropped);
      if (!keeps) continue;
    }
    set.tokens.insert(set.tokens.end(), one.tokens.begin(), one.tokens.end());
    set.is_output.insert(set.is_output.end(), one.is_output.begin(),
                         one.is_output.end());
    set.offsets.push_back(static_cast<int64_t>(set.tokens.size()));
  }
  return set;
}

}  // namespace seodang
