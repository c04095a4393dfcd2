// Examples for instruction tuning: conversations in JSONL or an array (also
// .gz, .zst; data/json_records.h), one a line or an element,
//   {"instruction": …, "input" or "information": …, "output": …}
//   {"prompt": …, "completion": …}
//   {"messages": [{"role": "system|user|assistant|tool", "content": …}, …]}
//   {"conversations": [{"from": "system|human|gpt", "value": …}, …]}
// The first two may have "system", and "history", pairs of question and answer
// that were before, which are read and not learned. A message of "weight" 0 is
// read and not learned either. "tools", and of messages "tool_calls",
// "tool_call_id", "name" and "reasoning_content", are given to the template.
// Or a spreadsheet's rows, .csv or .tsv (formats/csv.h), whose columns have
// these names.
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

#include "base/options.h"
#include "tokenizer/chat_template.h"

namespace seodang {

struct Conversation {
  std::vector<Message> messages;
  uint64_t line = 0;
  std::string source;      // the file
  std::string tools = {};  // as in ChatOptions
};

// How the files of examples are read.
struct ExampleFormat {
  std::string encoding = "auto";  // data/encoding.h
  std::string columns = {};       // "instruction=question,output=answer"
};

template <class Visit>
void visit_options(ExampleFormat& o, Visit&& visit) {
  visit("columns", o.columns,
        "What keys are called in the examples: instruction=질문,output=답");
  visit("encoding", o.encoding,
        "Of the examples: auto (UTF-8, or UTF-16 with its mark), cp949, "
        "utf-16le, ...");
}

// Texts are cleaned as documents are (data/clean.h). Warns once of examples
// that are left out since they have no answer, and of keys that hold something
// and are not used. Throws Error with file, line and key when a line is none of
// the shapes above or holds no message of the assistant, and when the file has
// no example; UsageError for a format that is not known.
std::vector<Conversation> read_conversations(const std::filesystem::path& path,
                                             const ExampleFormat& format = {});

// The conversations are equal but for the assistant's last message.
struct Preference {
  Conversation chosen, rejected;
};

// Throws as above, for an empty answer, and where the two do not answer the
// same.
std::vector<Preference> read_preferences(const std::filesystem::path& path,
                                         const ExampleFormat& format = {});

// The user's message that an instruction and its information make. The one
// place where this is decided: training and evaluation use it alike.
std::string instruction_prompt(std::string_view instruction,
                               std::string_view information);

}  // namespace seodang
