// Judging what a model wrote for a task: against its material, by rules that
// the task's owner writes down, or against the output that an example wants.
// docs/finetune.md describes the file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

struct Verdict {
  double score = 0;                 // from 0 to 1
  std::vector<std::string> failed;  // the names of the checks that did not hold
  bool complete() const { return score == 1; }
};

class Scorer {
 public:
  // Without rules: the F1 of the words of output and wanted output (Rajpurkar
  // et al., "SQuAD", 2016, section 6.1), letter case and punctuation counted.
  Scorer();
  // TOML, [[check]] tables of a name, perhaps `when` (a pattern: the check is
  // for prompts that match), and one of
  //   lines = […]         lines of the output, each once, in this order
  //   match, absent       a pattern that the output does, does not, match
  //   input + output      patterns whose groups, of all matches in order, are
  //                       the same in the prompt and the output
  //   addends + total     patterns of numbers in the output, their first
  //                       groups; the addends' sum is each total
  // Patterns are PCRE2's, ^ and $ standing for the ends of lines. Throws
  // UsageError naming file and line for anything else.
  static Scorer load(const std::filesystem::path& toml);

  // The share of the checks that are for this prompt and hold; that the output
  // ended by itself (`stopped`) is one of them. Score 0 when none but this is
  // for the prompt.
  Verdict judge(std::string_view prompt, std::string_view output,
                std::string_view wanted, bool stopped) const;

  // Throws UsageError that names a check which is for none of the prompts.
  void check_fits(const std::vector<std::string>& prompts) const;

 private:
  struct Check;
  std::vector<std::shared_ptr<const Check>> checks_;
  std::filesystem::path file_;  // empty: without rules
};

}  // namespace seodang
