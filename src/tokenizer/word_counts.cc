#include "tokenizer/word_counts.h"

#include <algorithm>
#include <unordered_map>

#include "base/threads.h"
#include "base/utf8.h"

namespace seodang {
namespace {

struct ViewHash : std::hash<std::string_view> {
  using is_transparent = void;
};
using CountMap =
    std::unordered_map<std::string, int64_t, ViewHash, std::equal_to<>>;

void add_word(CountMap& counts, std::string_view word, int64_t count) {
  const auto found = counts.find(word);
  if (found != counts.end())
    found->second += count;
  else
    counts.emplace(word, count);
}

// Enough documents to keep all threads busy.
bool read_batch(const std::function<bool(std::string& text)>& next_document,
                std::vector<std::string>& batch) {
  constexpr size_t kBatchBytes = 8 << 20;
  batch.clear();
  std::string text;
  for (size_t bytes = 0; bytes < kBatchBytes && next_document(text);) {
    bytes += text.size() + 1;
    batch.push_back(std::move(text));
  }
  return !batch.empty();
}

}  // namespace

WordCounts count_words(
    const std::function<bool(std::string& text)>& next_document,
    const PreTokenizer& pre_tokenizer) {
  // Each part owns its counts, and a batch is dealt to the parts in turn.
  const int64_t parts = std::max(1, num_threads());
  std::vector<CountMap> counts(parts);
  std::vector<std::string> batch;
  while (read_batch(next_document, batch)) {
    parallel_items(parts, [&](int64_t part) {
      for (size_t i = part; i < batch.size(); i += parts) {
        if (find_invalid_utf8(batch[i]) != std::string::npos)
          batch[i] = replace_invalid_utf8(batch[i]);
        pre_tokenizer.split(batch[i], [&](std::string_view word) {
          add_word(counts[part], word, 1);
        });
      }
    });
  }
  for (int64_t part = 1; part < parts; ++part) {
    for (const auto& [word, count] : counts[part])
      add_word(counts[0], word, count);
    counts[part] = {};
  }
  WordCounts all(counts[0].begin(), counts[0].end());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace seodang
