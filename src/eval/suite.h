// Suites of questions with known answers, and of texts: JSONL, one item a line.
//   {"id":…, "instruction":…, "input":…, "answers":[any one counts],
//    "wrong":[three of the same kind], "cloze":"대한민국의 수도는"}
//   {"text":…}
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace seodang {

struct Question {
  std::string id;
  std::string instruction, input;  // input may be empty
  std::vector<std::string> answers;
  std::vector<std::string> wrong;
  std::string cloze;  // plain text right before the fact; may be empty
};

// Holds questions or texts, never both.
struct Suite {
  std::string name;  // file name without .jsonl
  std::vector<Question> questions;
  std::vector<std::string> texts;
};

// Throws Error naming file and line for what is not as above.
Suite load_suite(const std::filesystem::path& path);

// The suite files of the run that made `model` (runs/NAME/base or
// runs/NAME/instruct): runs/NAME/corpus/suites/*.jsonl, in the order held out,
// reworded, seen, general, then others by name. Empty when there are none.
std::vector<std::filesystem::path> suites_of_run(
    const std::filesystem::path& model);

}  // namespace seodang
