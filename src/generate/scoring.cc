#include "generate/scoring.h"

#include <algorithm>

#include "base/error.h"
#include "model/decoder.h"

namespace seodang {
namespace {

// Each position predicts the token behind it; the last token predicts none and
// is not computed.
void add(Batch& batch, const Continuation& item) {
  std::vector<int32_t> all = item.prompt;
  all.insert(all.end(), item.tokens.begin(), item.tokens.end());
  const size_t begin = batch.tokens.size(), length = all.size() - 1;
  batch.spans.push_back(
      {static_cast<int32_t>(begin), static_cast<int32_t>(length)});
  for (size_t i = 0; i < length; ++i) {
    const bool scored = i + 1 >= item.prompt.size();
    batch.tokens.push_back(all[i]);
    batch.targets.push_back(scored ? all[i + 1] : kIgnoreTarget);
    batch.loss_tokens += scored ? 1 : 0;
  }
}

}  // namespace

std::vector<double> log_probabilities(const ModelConfig& config,
                                      const Weights& weights,
                                      std::span<const Continuation> items,
                                      int64_t max_tokens) {
  std::vector<double> out(items.size(), 0.0);
  int64_t longest = 1;
  for (const Continuation& item : items) {
    const int64_t length =
        static_cast<int64_t>(item.prompt.size() + item.tokens.size()) - 1;
    if (item.prompt.empty()) throw Error("a continuation has no prompt");
    if (length > config.context_length())
      throw Error("a text of {} tokens is longer than the context of {}",
                  length, config.context_length());
    longest = std::max(longest, length);
  }
  max_tokens = std::max(max_tokens, longest);
  Decoder decoder(config, weights, max_tokens);
  std::vector<float> losses(static_cast<size_t>(max_tokens));

  Batch batch;
  size_t first = 0;  // item of the batch's first span
  const auto score = [&](size_t behind) {
    if (batch.tokens.empty()) return;
    decoder.evaluate(batch, losses.data());
    size_t span = 0;
    for (size_t i = first; i < behind; ++i) {
      if (items[i].tokens.empty()) continue;
      const SequenceSpan& s = batch.spans[span++];
      const float* own = losses.data() + s.begin;
      for (int32_t t = 0; t < s.length; ++t) out[i] -= own[t];
    }
    batch = {};
  };
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].tokens.empty()) continue;
    const size_t length = items[i].prompt.size() + items[i].tokens.size() - 1;
    if (batch.tokens.size() + length > static_cast<size_t>(max_tokens)) {
      score(i);
      first = i;
    }
    add(batch, items[i]);
  }
  score(items.size());
  return out;
}

}  // namespace seodang
