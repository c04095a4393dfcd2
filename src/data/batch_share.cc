#include "data/batch_share.h"

#include <algorithm>

namespace seodang {
namespace {

// The span with which share `index` begins: the first whose middle lies behind
// the place where an even share would.
size_t first_span(const Batch& batch, int index, int count) {
  const auto tokens = static_cast<int64_t>(batch.tokens.size());
  const int64_t even = tokens * index / count;
  const auto behind = [&](const SequenceSpan& span) {
    return 2 * even > 2 * int64_t{span.begin} + span.length;
  };
  auto first = static_cast<size_t>(
      std::ranges::partition_point(batch.spans, behind) - batch.spans.begin());
  for (const PreferencePair& pair : batch.pairs)
    if (first == static_cast<size_t>(pair.chosen) + 1) --first;
  return index == count ? batch.spans.size() : first;
}

}  // namespace

void take_share(const Batch& batch, int index, int count, Batch& out) {
  const size_t first = first_span(batch, index, count),
               last = first_span(batch, index + 1, count);
  const auto place_of = [&](size_t span) {
    return span < batch.spans.size()
               ? batch.spans[span].begin
               : static_cast<int32_t>(batch.tokens.size());
  };
  const int32_t begin = place_of(first), end = place_of(last);
  out.tokens.assign(batch.tokens.begin() + begin, batch.tokens.begin() + end);
  out.targets.assign(batch.targets.begin() + begin,
                     batch.targets.begin() + end);
  out.spans.assign(batch.spans.begin() + static_cast<int64_t>(first),
                   batch.spans.begin() + static_cast<int64_t>(last));
  for (SequenceSpan& span : out.spans) span.begin -= begin;
  out.pairs.clear();
  for (const PreferencePair& pair : batch.pairs)
    if (const auto span = static_cast<size_t>(pair.chosen);
        span >= first && span < last)
      out.pairs.push_back(
          {pair.chosen - static_cast<int32_t>(first), pair.index});
  out.seed = batch.seed;
  out.first_token = batch.first_token + begin;
  out.distilled = std::clamp(batch.distilled - begin, 0, end - begin);
  const auto losses = [&](int64_t count_of) {
    return std::count_if(out.targets.begin(), out.targets.begin() + count_of,
                         [](int32_t target) { return target >= 0; });
  };
  out.loss_tokens = losses(end - begin);
  out.distilled_loss_tokens = losses(out.distilled);
}

int64_t even_batch_share(int64_t tokens, int count) {
  return (tokens + count - 1) / count;
}

int64_t batch_share_room(int64_t tokens, int64_t longest, int count) {
  // Each end is moved by half a sequence at most.
  return std::min(tokens, even_batch_share(tokens, count) + longest + 1);
}

}  // namespace seodang
