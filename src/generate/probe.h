// A model asked a few questions, to see how it behaves.
#pragma once

#include <string>
#include <vector>

#include "generate/language_model.h"

namespace seodang {

struct ProbeAnswer {
  std::string question;
  bool through_template = false;  // else as bare text
  std::string text;
  bool stopped = false;  // it ended the text itself, before the limit
  // It stopped, and what it said is neither nothing, nor the question again,
  // nor questions of its own. Whether it is right is not judged.
  bool answered = false;
};

// Greedy, at most 48 tokens an answer. Every question as bare text, and through
// the chat template when there is one.
std::vector<ProbeAnswer> probe(const LanguageModel& model);

// What that says about the kind, added to `verdict`.
void judge_answers(const std::vector<ProbeAnswer>& answers,
                   KindVerdict& verdict);

}  // namespace seodang
