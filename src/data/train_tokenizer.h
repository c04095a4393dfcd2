// A vocabulary from the files of a corpus.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tokenizer/train_bpe.h"

namespace seodang {

struct TrainTokenizerOptions {
  BpeTrainOptions bpe;
  std::string invalid_utf8 = "replace";  // or "refuse"
};

template <class Visit>
void visit_options(TrainTokenizerOptions& o, Visit&& visit) {
  visit_options(o.bpe, visit);
  visit("invalid-utf8", o.invalid_utf8,
        "Bytes that are not UTF-8: replace (by U+FFFD) or refuse",
        one_of({"replace", "refuse"}));
}

struct TrainedTokenizer {
  Tokenizer tokenizer;
  int64_t documents = 0, bytes = 0;  // read, before they are cleaned
};

// Documents are read and cleaned as `prepare_corpus` does it (data/documents.h,
// data/clean.h), so that words are learned as they will be read. Throws what
// DocumentReader and train_bpe throw.
TrainedTokenizer train_tokenizer(
    const std::vector<std::filesystem::path>& files,
    const TrainTokenizerOptions& options);

}  // namespace seodang
