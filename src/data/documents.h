// Documents out of the files of a corpus, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"

namespace seodang {

struct Document {
  std::string text;    // valid UTF-8
  std::string source;  // the file
  uint64_t line = 0;   // where it begins in the file, from 1
  // Bytes that were not UTF-8, or halves of surrogate pairs, have been
  // replaced.
  bool repaired = false;
};

// How the files of a corpus are read.
struct CorpusFormat {
  std::string invalid_utf8 = "replace";  // or "refuse"
  std::string encoding = "auto";         // data/encoding.h
  std::string text_key = "text";         // of .jsonl and .json
};

template <class Visit>
void visit_options(CorpusFormat& o, Visit&& visit) {
  visit("invalid-utf8", o.invalid_utf8,
        "Bytes that are not UTF-8: replace (by U+FFFD) or refuse",
        one_of({"replace", "refuse"}));
  visit("encoding", o.encoding,
        "Of the files: auto (UTF-8, or UTF-16 with its mark), cp949, utf-16le, "
        "...");
  visit("text-key", o.text_key, "Key that has the text, in .jsonl and .json");
}

// A document of a .txt file that has grown beyond this ends at the next empty
// line, at the latest at twice this size.
constexpr size_t kTextDocumentBytes = size_t{64} << 10;

// Streams the documents of .txt, .jsonl and .json files, each also as .gz or
// .zst.
//   .jsonl, .json  one document a line, or an element of the array that the
//           file is (data/json_records.h), in the key `text_key`.
//   .txt    documents are parted by lines that are just "<|endoftext|>"; long
//           ones are cut at empty lines (kTextDocumentBytes).
// Never holds more than one document and one line in memory. Throws Error, with
// file and line, for a missing file (at construction, before any work), an
// unknown ending, broken JSON, a missing key, NUL bytes, a damaged or truncated
// .gz/.zst, and for invalid UTF-8 when it is to be refused; UsageError for an
// encoding that is not known.
class DocumentReader {
 public:
  DocumentReader(std::vector<std::filesystem::path> files, CorpusFormat format);
  ~DocumentReader();
  DocumentReader(const DocumentReader&) = delete;
  DocumentReader& operator=(const DocumentReader&) = delete;

  bool next(Document& out);  // false after the last document

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seodang
