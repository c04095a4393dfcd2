// Conversations as the text a model was tuned on.
#pragma once

#include <ctime>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

namespace seodang {

struct Message {
  std::string role, content;  // role: "system", "user", "assistant", "tool"
  // What else the template is given of it, an object of JSON: "tool_calls",
  // "tool_call_id", "name", a "content" of null. Empty for nothing.
  std::string more = {};
  // Whether an answer is learned in training (its "weight" is not 0).
  bool is_learned = true;
};

// What strftime_now tells unless a moment is given: noon of 26 July 2024, the
// day that Llama 3's own template falls back on. So a prompt is the same every
// day.
extern const std::tm kTemplateDay;
// This moment here, for those who talk with a model.
std::tm local_time();

// OpenAI's "arguments" of a call are text that holds JSON; templates are given
// what it says. Of a message's "tool_calls"; what is none stays as it is.
void parse_call_arguments(nlohmann::ordered_json& tool_calls);

// Runs a Hugging Face chat template (Jinja, with trim_blocks and lstrip_blocks
// as transformers sets them). With `add_generation_prompt` the text ends where
// the assistant's answer begins. encoded_chat.h makes ids of it. Throws Error
// with the template's line when it is malformed, uses what is not supported,
// calls raise_exception, or wants too many steps or too much memory. `tools` is
// a list of JSON that the template is given; empty for none.
std::string render_chat(std::string_view jinja_template,
                        std::span<const Message> messages,
                        bool add_generation_prompt, std::string_view bos_token,
                        std::string_view eos_token,
                        const std::tm& now = kTemplateDay,
                        std::string_view tools = {});

// The same with everything that transformers' apply_chat_template passes on, an
// object of "messages" (with tool_calls and the like), "tools", "documents",
// "add_generation_prompt", "bos_token", "eos_token", and what else the template
// asks for ("enable_thinking").
std::string render_chat(std::string_view jinja_template,
                        const nlohmann::ordered_json& variables,
                        const std::tm& now = kTemplateDay);

}  // namespace seodang
