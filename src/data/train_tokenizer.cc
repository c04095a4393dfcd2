#include "data/train_tokenizer.h"

#include "data/clean.h"
#include "data/documents.h"

namespace seodang {

TrainedTokenizer train_tokenizer(
    const std::vector<std::filesystem::path>& files,
    const TrainTokenizerOptions& options) {
  check_options(options);
  DocumentReader reader(files, options.format);
  Document document;
  int64_t documents = 0, bytes = 0;
  Tokenizer tokenizer = train_bpe(
      [&](std::string& text) {
        if (!reader.next(document)) return false;
        ++documents;
        bytes += static_cast<int64_t>(document.text.size());
        text = clean_text(document.text);
        return true;
      },
      options.bpe);
  return {std::move(tokenizer), documents, bytes};
}

}  // namespace seodang
