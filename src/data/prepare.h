// A corpus made ready for training: cleaned, without duplicates, split into
// train and validation, tokenized, in shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/documents.h"

namespace seodang {

class Tokenizer;

struct PrepareOptions {
  double validation = 0.01;      // share of the documents
  double near_duplicates = 0.8;  // Jaccard similarity from which one is dropped
  int64_t min_characters = 1;    // shorter documents are dropped
  CorpusFormat format;
  uint64_t seed = 1;  // of the split
};

template <class Visit>
void visit_options(PrepareOptions& o, Visit&& visit) {
  visit("validation", o.validation, "Share of the documents held out",
        from_to_below(0, 1));
  visit("near-duplicates", o.near_duplicates,
        "Drop documents this similar to an earlier one (0: keep them)",
        from_to(0, 1));
  visit("min-characters", o.min_characters, "Drop shorter documents",
        at_least(0));
  visit_options(o.format, visit);
  visit("seed", o.seed, "Seed of the split into train and validation");
}

struct PrepareReport {
  struct Dropped {
    std::string reason;  // "empty", "too short", "duplicate", "near duplicate"
    int64_t documents = 0, bytes = 0;
    std::string example;  // where the first one was, and how its text begins
  };
  struct Split {
    int64_t documents = 0, tokens = 0, bytes = 0;  // bytes of text kept
  };
  int64_t documents_in = 0, bytes_in = 0;
  int64_t invalid_utf8_documents = 0;  // documents in which bytes were replaced
  std::vector<Dropped> dropped;  // every reason, also those that never hit
  Split train, validation;

  double bytes_per_token() const;
};
nlohmann::json to_json(const PrepareReport& report);

// Writes DIR/train-*.bin, validation-*.bin, index.json (data/shards.h) and
// report.json; DIR appears only when all is done. A document goes to validation
// by a hash of its text and the seed, so it stays there when the corpus grows;
// when that would leave validation empty, one document goes there. Of
// duplicates, the first in the order of `files` stays. The shards are the same
// for any number of threads. Throws UsageError when DIR holds something else,
// Error when no document is left, and whatever DocumentReader throws.
PrepareReport prepare_corpus(const std::vector<std::filesystem::path>& files,
                             const Tokenizer& tokenizer,
                             const PrepareOptions& options,
                             const std::filesystem::path& out_dir);

}  // namespace seodang
