// Conversations as tokens, with a mark on those that the assistant says.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/conversations.h"

namespace seodang {

class Tokenizer;

struct EncodedConversation {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_output;  // 1: said by the assistant
};

// Through the tokenizer's chat template. What an assistant says is what the
// template adds to the conversation so far with its generation prompt: the
// answer and the token that ends the turn. It is encoded apart from what stands
// before, as it is when the model generates it. Throws Error when the tokenizer
// has no chat template or the template changes earlier turns.
EncodedConversation encode_conversation(const Tokenizer& tokenizer,
                                        const Conversation& conversation);

// Conversation i is tokens [offsets[i], offsets[i + 1]).
struct ConversationSet {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_output;
  std::vector<int64_t> offsets = {0};
  int64_t too_long = 0;  // conversations that were dropped

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

// Conversations of more than `max_length` tokens are dropped and counted, or
// with `refuse_too_long` an Error that names the line.
ConversationSet encode_conversations(
    const Tokenizer& tokenizer, std::span<const Conversation> conversations,
    int32_t max_length, bool refuse_too_long = false);

}  // namespace seodang
