// WORLD.toml, read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace seodang {

enum class Subject { one, many, none };
enum class About { everything, taught };

// A kind of document, in one language.
struct Genre {
  std::string name, language;
  std::vector<std::filesystem::path> files;
  Subject subject = Subject::one;
  About about = About::everything;
  // one: documents for each thing; many: how often each thing meets each pool.
  int each = 1;
  int documents = 0;  // none: documents in all
  int least_items = 1, most_items = 1;
  std::vector<std::string> pools;  // what items are drawn from
  std::string head, foot;          // pools; may be empty
  std::string separator = " ";
};

// A fact that can be asked for.
struct Inquiry {
  std::string asks, given;  // attributes
};

// Where a language's questions and answers are phrased: pools ASKS.ask,
// ASKS.reworded, ASKS.answer, ASKS.cloze.
struct QuestionFile {
  std::string language;
  std::filesystem::path file;
  std::string frame{};  // of the language's suites (eval/suite.h)
};

// Examples that are more than a bare question. Their phrasings are
// "instruction || output" or "instruction || input || output".
struct Task {
  std::string name, language;
  std::vector<std::filesystem::path> files;
  std::string pool;
  int each = 0;       // examples for each thing that may be asked about
  int documents = 0;  // examples of nothing in particular
};

// Examples of a task that is not part of the tuning: tasks/NAME.train.jsonl and
// NAME.test.jsonl about things that are taught, NAME.others.jsonl about those
// that are not.
struct Form {
  std::string name, language;
  std::filesystem::path file;      // the template (weave/form.h)
  std::vector<std::string> needs;  // attributes that a thing must have
  int each = 1;                    // examples for each thing that is taught
};

struct WeavePlan {
  std::filesystem::path file{};
  std::filesystem::path facts{};
  double held_out = 0.4;  // share of things (weave/split.h)
  double final = 0;
  double conversations = 0;  // share of instruct.jsonl's lines
  std::vector<Genre> genres{};
  std::vector<Inquiry> inquiries{};
  std::vector<QuestionFile> question_files{};
  std::vector<std::string> named_by{};  // what names a thing
  int per_fact = 4;                     // examples for each fact
  int suite_size = 200;
  std::vector<Task> tasks{};
  std::vector<Form> forms{};
  std::vector<std::filesystem::path> prose{};
  double prose_share = 1;        // of the documents that is used
  double prose_held_out = 0.04;  // of these, for the suite "general"
};

// Paths in the file are relative to its folder. Throws UsageError naming file
// and line.
WeavePlan read_weave_plan(const std::filesystem::path& world_toml);

// Every file that what is woven depends on, the plan's own first.
std::vector<std::filesystem::path> files_of(const WeavePlan& plan);

}  // namespace seodang
