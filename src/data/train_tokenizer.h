// A vocabulary from the files of a corpus.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/documents.h"
#include "tokenizer/train_bpe.h"

namespace seodang {

struct TrainTokenizerOptions {
  BpeTrainOptions bpe;
  CorpusFormat format;
};

template <class Visit>
void visit_options(TrainTokenizerOptions& o, Visit&& visit) {
  visit_options(o.bpe, visit);
  visit_options(o.format, visit);
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
