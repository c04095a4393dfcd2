// What generate() and BatchRunner have in common: tokens become an output.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "generate/generation.h"
#include "grammar/token_filter.h"
#include "tokenizer/utf8_stream.h"

namespace seodang {

// Throws UsageError for options that are out of range, Error for a prompt that
// is empty or longer than the context.
void check_generation(const GenerateOptions& options,
                      std::span<const int32_t> prompt, int64_t context);

// A model's rows may be padded past the tokenizer's ids; those are no choice.
std::span<const float> known_logits(std::span<const float> logits,
                                    const Tokenizer& tokenizer);

// Turns the tokens of one output into text and knows when it is over. Text that
// could be the beginning of a stop text is held back until that is decided.
class OutputWriter {
 public:
  // Both must outlive it.
  OutputWriter(const Tokenizer& tokenizer, const GenerateOptions& options);

  // By options.constraint: for each id whether it may be the next token, valid
  // until add(); nullptr where any may.
  const std::vector<bool>* allowed();

  // Each returns the text that became certain.
  std::string add(const Choice& choice);
  std::string finish(StopReason reason);

  bool finished() const { return finished_; }
  Generation& result() { return result_; }

 private:
  size_t longest_stop_prefix() const;
  std::string release(size_t count);

  const Tokenizer& tokenizer_;
  const GenerateOptions& options_;
  Generation result_;
  Utf8Stream utf8_;
  std::string held_;
  std::optional<size_t> cut_;
  bool finished_ = false;
  std::optional<TokenFilter> filter_;
  std::vector<bool> allowed_;  // end tokens, too
};

}  // namespace seodang
