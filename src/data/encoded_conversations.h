// Conversations as tokens, with a mark on those that the assistant says.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/conversations.h"
#include "tokenizer/encoded_chat.h"

namespace seodang {

// The conversation up to the assistant's last message
// (tokenizer/encoded_chat.h). Throws Error with file and line when the template
// changes earlier turns, so that not all outputs can be told apart.
EncodedChat encode_conversation(const Tokenizer& tokenizer,
                                const Conversation& conversation,
                                bool parse_special = false);

// Conversation i is tokens [offsets[i], offsets[i + 1]).
struct ConversationSet {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_output;
  std::vector<int64_t> offsets = {0};
  int64_t too_long = 0;  // conversations that were dropped

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

struct EncodeConversations {
  int32_t max_length = 0;  // in tokens
  // Refuses a longer conversation by an Error that names its line, rather than
  // to drop and count it.
  bool refuse_too_long = false;
  bool parse_special = false;  // as in ChatOptions
  // Unless empty: the last token of each answer must be one of these, or an
  // Error names the line.
  std::vector<int32_t> end_tokens;
};

ConversationSet encode_conversations(
    const Tokenizer& tokenizer, std::span<const Conversation> conversations,
    const EncodeConversations& options);

}  // namespace seodang
