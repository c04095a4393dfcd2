// Which tokens of a vocabulary may be written next, when the text is to be one
// of a grammar: Willard and Louf, "Efficient Guided Generation for Large
// Language Models", 2023, for context-free grammars.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/recognizer.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// The tokens that write something, in the order of their bytes, so that those
// which begin alike are looked at together. Of a tokenizer, which is copied.
class TokenIndex {
 public:
  explicit TokenIndex(Tokenizer tokenizer);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  // Calls `visit(id)` for each token whose bytes can be read from `state` on.
  template <class Visit>
  void for_each_readable(Recognizer& recognizer, Recognizer::State state,
                         Visit&& visit) const;

 private:
  Tokenizer tokenizer_;
  std::vector<int32_t> ids_;
  std::vector<uint32_t> shared_;  // bytes in common with the one before
};

// What an output has to be. One for many outputs.
struct Constraint {
  // Throws Error when nothing is a text of the grammar.
  Constraint(Grammar its_grammar, std::shared_ptr<const TokenIndex> its_tokens);

  const Grammar grammar;
  const std::shared_ptr<const TokenIndex> tokens;
};

// One output, as it is written.
class TokenFilter {
 public:
  explicit TokenFilter(std::shared_ptr<const Constraint> constraint);

  // For each id whether its text may come next; none of a special token.
  // Valid until the next call.
  const std::vector<bool>& allowed();
  bool may_end() const { return recognizer_.may_end(state_); }
  bool may_go_on() const { return recognizer_.may_go_on(state_); }
  // An allowed token was written.
  void read(int32_t token);

 private:
  std::shared_ptr<const Constraint> constraint_;
  Recognizer recognizer_;
  Recognizer::State state_;
  std::map<Recognizer::State, std::vector<bool>> known_;
};

}  // namespace seodang
