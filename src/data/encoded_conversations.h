// Conversations as tokens, with a mark on those that the assistant says.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/conversations.h"
#include "tokenizer/encoded_chat.h"

namespace seodang {

// The conversation up to the assistant's last message
// (tokenizer/encoded_chat.h): all of it at once, or where the template writes
// earlier turns otherwise than they are asked for, each answer for itself
// behind what came before. Throws Error with file and line when the template
// fails on it.
std::vector<EncodedChat> encode_conversation(const Tokenizer& tokenizer,
                                             const Conversation& conversation,
                                             bool parse_special = false);

// Conversation i is tokens [offsets[i], offsets[i + 1]).
struct ConversationSet {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_output;
  std::vector<int64_t> offsets = {0};
  // Empty, or each is a pair, of which the rejected one begins here.
  std::vector<int64_t> rejected;
  int64_t dropped = 0, truncated = 0;  // conversations that were too long
  std::string too_long_example;        // "FILE:LINE" of the first of them

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

// What becomes of a conversation of more than max_length tokens: it is left
// out; its beginning is kept, unless that holds no output; or it is an Error
// that names its line.
enum class TooLong { drop, truncate, refuse };
// By its name. Throws UsageError.
TooLong too_long_of(std::string_view name);

struct EncodeConversations {
  int32_t max_length = 0;  // in tokens
  TooLong too_long = TooLong::drop;
  bool parse_special = false;  // as in ChatOptions
  // Unless empty: the last token of each answer must be one of these, or an
  // Error names the line.
  std::vector<int32_t> end_tokens = {};
};

ConversationSet encode_conversations(
    const Tokenizer& tokenizer, std::span<const Conversation> conversations,
    const EncodeConversations& options);
// Pairs, of which only the last answers are outputs. One is too long when
// either of the two is.
ConversationSet encode_conversations(const Tokenizer& tokenizer,
                                     std::span<const Preference> preferences,
                                     const EncodeConversations& options);

}  // namespace seodang
