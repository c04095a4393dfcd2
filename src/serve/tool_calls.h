// Tools that a model may call: how its chat template has it write a call, and
// calls read back out of its answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace seodang {

struct Tool {
  std::string name;
  std::string parameters;  // a JSON schema; empty: any object
};

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON
};

// Which tools an answer has to call.
struct ToolChoice {
  enum class Mode : uint8_t { none, automatic, required };
  Mode mode = Mode::automatic;
  std::string name;      // the one that is required; empty: any
  bool parallel = true;  // there may be more than one call
};

// How families write a call:
enum class ToolCallFormat : uint8_t {
  // <tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>, for each call
  // (Hermes, Qwen);
  tagged,
  // [TOOL_CALLS][{"name": …, "arguments": {…}}, …], of which the first is a
  // special token (Mistral);
  list,
  // {"name": …, "parameters": {…}} and nothing else (Llama 3).
  object,
};
ToolCallFormat tool_call_format(std::string_view chat_template);

// What the prompt ends in when a call has to follow.
std::string_view tool_call_begin(ToolCallFormat format);

// Answers that are calls, as `choice` wants them, with arguments that are valid
// by the tools' schemas. Throws Error as add_json_schema does.
Grammar tool_call_grammar(ToolCallFormat format, const std::vector<Tool>& tools,
                          const ToolChoice& choice);

// Takes an answer apart as it is written. What could be a call is held back
// until it is decided.
class ToolCallParser {
 public:
  // `tools` must outlive it.
  explicit ToolCallParser(const std::vector<Tool>& tools) : tools_(tools) {}

  // Each returns what is certainly text and no call.
  std::string push(std::string_view text);
  std::string finish();
  // Behind finish().
  const std::vector<ToolCall>& calls() const { return calls_; }

 private:
  bool read_tagged();
  bool read_json();

  const std::vector<Tool>& tools_;
  std::string held_;
  bool any_text_ = false, in_calls_ = false;
  std::vector<ToolCall> calls_;
};

}  // namespace seodang
