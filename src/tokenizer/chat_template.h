// Conversations as the text a model was tuned on.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace seodang {

struct Message {
  std::string role, content;  // role: "system", "user" or "assistant"
};

// Runs a Hugging Face chat template (Jinja, with trim_blocks and lstrip_blocks
// as transformers sets them). With `add_generation_prompt` the text ends where
// the assistant's answer begins. Encode the result with parse_special, and
// without add_bos when the template writes bos itself. Throws Error with the
// template's line when it is malformed, uses what is not supported, calls
// raise_exception, or runs without end.
std::string render_chat(std::string_view jinja_template,
                        std::span<const Message> messages,
                        bool add_generation_prompt, std::string_view bos_token,
                        std::string_view eos_token);

// The template of our own models, in Llama 3's shape: <|begin_of_text|>, then
// for each message
// <|start_header_id|>ROLE<|end_header_id|>\n\nCONTENT<|eot_id|>.
extern const char kLlama3ChatTemplate[];

}  // namespace seodang
