// Examples for instruction tuning: conversations in JSONL or an array (also
// .gz, .zst; data/json_records.h), one a line or an element,
//   {"instruction": …, "input" or "information": …, "output": …}
//   {"messages": [{"role": "system|user|assistant", "content": …}, …]}
//   {"conversations": [{"from": "system|human|gpt", "value": …}, …]}
//   {"prompt": …, "completion": …}
// or a spreadsheet's rows, .csv or .tsv (formats/csv.h), whose columns have
// these names; what other columns hold is not read.
//
// And pairs of answers to the same prompt, of which one is preferred,
//   {"prompt": …, "chosen": …, "rejected": …}
// with the prompt as text, as instruction and input, or as a list of messages
// under any of the names above, and the two as text, as a message, or as lists
// of messages: what follows the prompt, or the whole conversation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat_template.h"

namespace seodang {

struct Conversation {
  std::vector<Message> messages;  // role: system, user or assistant
  uint64_t line = 0;
  std::string source;  // the file
};

// Texts are cleaned as documents are (data/clean.h). Throws Error with file,
// line and key when a line is none of the shapes above, holds no answer or an
// empty one, and when the file has no line.
std::vector<Conversation> read_conversations(const std::filesystem::path& path);

// The conversations are equal but for the assistant's last message.
struct Preference {
  Conversation chosen, rejected;
};

// Throws as above, and where the two do not answer the same.
std::vector<Preference> read_preferences(const std::filesystem::path& path);

// The user's message that an instruction and its information make. The one
// place where this is decided: training and evaluation use it alike.
std::string instruction_prompt(std::string_view instruction,
                               std::string_view information);

}  // namespace seodang
