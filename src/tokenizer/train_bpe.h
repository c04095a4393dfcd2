// Learning a byte-level BPE vocabulary from text (Sennrich, Haddow & Birch,
// "Neural Machine Translation of Rare Words with Subword Units", ACL 2016, on
// the bytes of UTF-8 as in GPT-2).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/options.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// The regular expression that cuts text into words before pairs are merged:
// "llama3", or "llama3-korean", which cuts Korean words from the space before
// them and the particle behind (프랑스|의| |수도|는), Latin ones too
// ( PDF|는), so that a name is the same tokens wherever it stands, at the
// beginning of an answer as in the middle of a question; anything else is the
// expression itself.
std::string split_pattern(const std::string& name);
const std::vector<std::string>& llama3_special_tokens();

struct BpeTrainOptions {
  int32_t vocab_size = 8192;     // all of it: 256 bytes, merges, special tokens
  std::string split = "llama3";  // see split_pattern
  std::vector<std::string> special_tokens = llama3_special_tokens();
  int64_t min_frequency = 2;  // pairs seen less often are not merged
};

template <class Visit>
void visit_options(BpeTrainOptions& o, Visit&& visit) {
  visit("vocab-size", o.vocab_size,
        "All tokens: 256 bytes, merges, special tokens", from_to(1, 1 << 24));
  visit("split", o.split,
        "Words: llama3, llama3-korean (particles apart), or a regular "
        "expression");
  visit("min-frequency", o.min_frequency,
        "Pairs of tokens seen less often are not merged", at_least(1));
}

// Calls `next_document` until it returns false; each call fills `text` with one
// document (ill-formed bytes count as U+FFFD). The most frequent pair is merged
// first, and of equally frequent ones the one with the smaller ids (as Hugging
// Face's trainer does), so the result does not depend on the number of threads.
// When the text has too few pairs the vocabulary comes out smaller than asked.
// Special tokens stand after it. Throws UsageError when vocab_size cannot hold
// the bytes and the special tokens, Error when there is no text.
Tokenizer train_bpe(const std::function<bool(std::string& text)>& next_document,
                    const BpeTrainOptions& options);

}  // namespace seodang
