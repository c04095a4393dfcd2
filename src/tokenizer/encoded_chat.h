// A conversation as token ids: the one place where messages become what a model
// reads, in training, in samples while training, in use and in evaluation.
#pragma once

#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include "tokenizer/chat_template.h"

namespace seodang {

class Tokenizer;

struct EncodedChat {
  std::vector<int32_t> tokens;
  // For each token, 1: said by the assistant and learned, up to the token that
  // ends its turn. What a template writes behind that, as ChatML's newline, is
  // not.
  std::vector<uint8_t> is_output;
  // Messages of the assistant that could be told apart, so that their tokens
  // are marked. Of others a template rewrites what stands before them.
  int64_t outputs = 0;
};

struct ChatOptions {
  // The chat ends where the next answer of the assistant begins.
  bool add_generation_prompt = false;
  // Special tokens that a message spells out are those tokens. Without, they
  // are text as any other, so that no message can forge turns.
  bool parse_special = false;
  // What a template that asks for the date is told.
  std::tm now = kTemplateDay;
  // Descriptions of tools, a list of JSON, or nothing.
  std::string tools = {};
};

// What the tokenizer's chat template writes is what the model sees: nothing is
// put before or after it (Hugging Face's apply_chat_template with
// tokenize=True). What the assistant says is what the template adds to the
// conversation so far with its generation prompt: the answer and the token that
// ends the turn. No token reaches across where an answer begins or ends, as
// none does when the model writes it. Throws Error when the tokenizer has no
// chat template, and what render_chat throws.
EncodedChat encode_chat(const Tokenizer& tokenizer,
                        std::span<const Message> messages,
                        const ChatOptions& options = {});

// The answer that `answer` gives to `messages`, as it is asked for and given in
// use: what the template writes for the messages with its generation prompt,
// the answer's text, and what the template writes behind it. So for templates
// too that write a turn of the past otherwise than they ask for it (R1 opens
// its thinking, Qwen3 drops that of earlier turns). One output. Throws Error as
// encode_chat, and when the template does not write the answer's text.
EncodedChat encode_answer(const Tokenizer& tokenizer,
                          std::span<const Message> messages,
                          const Message& answer,
                          const ChatOptions& options = {});

// The special or end-of-turn token by which the tokenizer's chat template ends
// an answer; -1 if it writes none there. Throws Error as encode_chat, and when
// the template's answers cannot be told apart.
int32_t end_of_answer(const Tokenizer& tokenizer);

}  // namespace seodang
