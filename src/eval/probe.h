// What a model knows, read off the probabilities of facts behind the same plain
// text whatever its kind: docs/evaluation.md, "Knowledge probe".
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/suite.h"
#include "generate/scoring.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

struct ProbeScore {
  double right = 0;   // P(right) / Σ P of right and wrong
  bool top1 = false;  // the right one is the most probable
};

class Probe {
 public:
  // Questions without a cloze are not probed.
  Probe(const Tokenizer& tokenizer, std::span<const Question> questions);
  // Of all questions of these suite files. Throws Error when none has a cloze.
  Probe(const Tokenizer& tokenizer, const std::vector<std::string>& suites);

  // One for each question, in their order.
  std::vector<std::optional<ProbeScore>> scores(const ModelConfig& config,
                                                const Weights& weights) const;
  // Mean of `right`, and what a model that knows nothing would have.
  double mean(const ModelConfig& config, const Weights& weights) const;
  double chance() const;

 private:
  void add(const Tokenizer& tokenizer, const Question& question);

  std::vector<Continuation> items_;
  std::vector<size_t> facts_;  // of each question, the right one first; or 0
};

}  // namespace seodang
