// Suites of questions with known answers, of texts, and of a task's examples:
// JSONL, one item a line.
//   {"id":…, "kind":"capital", "instruction":…, "input":…,
//    "answers":[any one counts], "wrong":[three of the same kind],
//    "cloze":"대한민국의 수도는"}
//   {"text":…}
//   an example as it is trained on (data/conversations.h), also in .csv, .tsv
// The first line may be settings of the suite instead:
//   {"style":"sentence", "frame":"질문: {question}\n답:",
//    "shots":[{"question":…, "answer":…}]}
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/conversations.h"
#include "eval/scorer.h"

namespace seodang {

// What counts as one answer (docs/evaluation.md): anything that ends by itself,
// or besides one or two whole sentences on one line.
enum class AnswerStyle : uint8_t { any, sentence };

struct Question {
  std::string id;
  std::string kind;  // scores are told for each kind; may be empty
  std::string instruction, input;  // input may be empty
  std::vector<std::string> answers;
  std::vector<std::string> wrong;
  std::string cloze;  // plain text right before the fact; may be empty
};

struct Shot {
  std::string question, answer;
};

// What a task asks, and the output that its example wants.
struct TaskItem {
  std::vector<Message> messages;  // up to where the output begins
  std::string output;
};

// Of each conversation, what comes before the assistant's last message, and
// that message.
std::vector<TaskItem> task_items(std::span<const Conversation> conversations);

// Holds questions, texts or a task's items, never two of them.
struct Suite {
  std::string name;  // file name without .jsonl
  AnswerStyle style = AnswerStyle::any;
  // How a base model is given a fair chance: text around "{question}" behind
  // which an answer is due, and examples in the same frame. Both may be empty.
  std::string frame;
  std::vector<Shot> shots;
  std::vector<Question> questions;
  std::vector<std::string> texts;
  std::vector<TaskItem> task = {};
  Scorer scorer = {};  // of the task
};

// Throws Error naming file and line for what is not as above.
Suite load_suite(const std::filesystem::path& path);

// The question in the suite's frame, behind so many of its shots in theirs.
std::string framed(const Suite& suite, const std::string& question,
                   size_t shots);

// The directory of the run that made `model`, if a run did: runs/NAME of
// runs/NAME/base, of runs/NAME/instruct.
std::filesystem::path run_of(const std::filesystem::path& model);

// The suite files of that run: runs/NAME/corpus/suites/*.jsonl, in the order
// held out, final, seen, general, then others by name. Empty when there are
// none.
std::vector<std::filesystem::path> suites_of_run(
    const std::filesystem::path& model);

}  // namespace seodang
