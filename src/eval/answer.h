// Judging one answer by rules that name no model. docs/evaluation.md says them
// in words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/plain_text.h"
#include "eval/suite.h"

namespace seodang {

// Knows all facts of a suite, so that a longer name ("Equatorial Guinea") is
// not taken for a shorter one inside it ("Guinea").
class Grader {
 public:
  explicit Grader(const Suite& suite);

  // Why the text is no well-formed answer, in a few words; empty when it is
  // one. `stopped`: the model ended it with an end token before the limit.
  std::string_view ill_formed_because(const Question& question,
                                      std::string_view text,
                                      bool stopped) const;

  // The text holds an accepted answer and nothing that contradicts it.
  bool correct(const Question& question, std::string_view text) const;

 private:
  AnswerStyle style_;
  std::vector<PlainText> facts_;  // each once, longest first
};

}  // namespace seodang
