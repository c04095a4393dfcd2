#include "data/encoded_conversations.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

std::string token_text(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? std::string() : std::string(tokenizer.token_bytes(id));
}

}  // namespace

EncodedConversation encode_conversation(const Tokenizer& tokenizer,
                                        const Conversation& conversation) {
  if (tokenizer.chat_template().empty())
    throw Error("the tokenizer has no chat template; give the model one");
  const std::string bos = token_text(tokenizer, tokenizer.bos_token_id());
  const std::string eos = token_text(tokenizer, tokenizer.eos_token_id());
  const std::span<const Message> messages = conversation.messages;
  const auto render = [&](size_t count, bool add_generation_prompt) {
    return render_chat(tokenizer.chat_template(), messages.first(count),
                       add_generation_prompt, bos, eos);
  };

  EncodedConversation out;
  std::string done;  // the text encoded so far
  const auto encode_up_to = [&](const std::string& text, bool is_output) {
    if (!text.starts_with(done))
      throw Error(
          "{}:{}: the chat template rewrites earlier turns of this "
          "conversation, so that outputs cannot be told apart",
          conversation.source, conversation.line);
    const auto tokens =
        tokenizer.encode(std::string_view(text).substr(done.size()),
                         /*add_bos=*/false, /*parse_special=*/true);
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    out.is_output.resize(out.tokens.size(), is_output);
    done = text;
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    encode_up_to(render(i, true), false);
    encode_up_to(render(i + 1, false), true);
  }
  return out;
}

ConversationSet encode_conversations(
    const Tokenizer& tokenizer, std::span<const Conversation> conversations,
    int32_t max_length, bool refuse_too_long) {
  std::vector<EncodedConversation> encoded(conversations.size());
  parallel_items(static_cast<int64_t>(conversations.size()), [&](int64_t i) {
    encoded[i] = encode_conversation(tokenizer, conversations[i]);
  });
  ConversationSet set;
  for (size_t i = 0; i < encoded.size(); ++i) {
    const EncodedConversation& one = encoded[i];
    if (one.tokens.size() > static_cast<size_t>(max_length)) {
      if (refuse_too_long)
        throw Error("{}:{}: an example of {} tokens; the context is {}",
                    conversations[i].source, conversations[i].line,
                    one.tokens.size(), max_length);
      ++set.too_long;
      continue;
    }
    set.tokens.insert(set.tokens.end(), one.tokens.begin(), one.tokens.end());
    set.is_output.insert(set.is_output.end(), one.is_output.begin(),
                         one.is_output.end());
    set.offsets.push_back(static_cast<int64_t>(set.tokens.size()));
  }
  return set;
}

}  // namespace seodang
