#include "data/batch_filler.h"

#include <algorithm>

namespace seodang {

BatchFiller::BatchFiller(Batch& out, int32_t tokens_per_batch,
                         int32_t max_length)
    : out_(out), tokens_per_batch_(tokens_per_batch), max_length_(max_length) {
  out.tokens.clear();
  out.targets.clear();
  out.spans.clear();
  out.pairs.clear();
  out.seed = 0;
  out.first_token = 0;
  out.loss_tokens = 0;
  out.distilled = 0;
  out.distilled_loss_tokens = 0;
  out.tokens.reserve(tokens_per_batch);
  out.targets.reserve(tokens_per_batch);
  out.spans.reserve(tokens_per_batch);
}

int32_t BatchFiller::room() const {
  return tokens_per_batch_ - static_cast<int32_t>(out_.tokens.size());
}

int64_t BatchFiller::add_document(const TokenShards& shards, int64_t document,
                                  int64_t begin) {
  const int64_t length = shards.document_length(document);
  const int64_t end = std::min<int64_t>(length, begin + room());
  for (int64_t at = begin; at < end; at += max_length_) {
    const auto size =
        static_cast<int32_t>(std::min<int64_t>(max_length_, end - at));
    const auto first = static_cast<int32_t>(out_.tokens.size());
    out_.spans.push_back({first, size});
    out_.tokens.resize(first + size);
    out_.targets.resize(first + size, kIgnoreTarget);
    shards.copy_tokens(document, at, std::span(out_.tokens).subspan(first));
    // The next tokens, also the one behind the cut; none behind the document.
    const auto with_target =
        static_cast<int32_t>(std::min<int64_t>(size, length - 1 - at));
    shards.copy_tokens(document, at + 1,
                       std::span(out_.targets).subspan(first, with_target));
    out_.loss_tokens += with_target;
  }
  return end - begin;
}

void BatchFiller::add_conversation(std::span<const int32_t> tokens,
                                   std::span<const uint8_t> is_output) {
  out_.spans.push_back({static_cast<int32_t>(out_.tokens.size()),
                        static_cast<int32_t>(tokens.size())});
  out_.tokens.insert(out_.tokens.end(), tokens.begin(), tokens.end());
  for (size_t next = 1; next <= tokens.size(); ++next) {
    const bool learn = next < tokens.size() && is_output[next] != 0;
    out_.targets.push_back(learn ? tokens[next] : kIgnoreTarget);
    out_.loss_tokens += learn;
  }
}

void BatchFiller::begin_pair(int64_t index) {
  out_.pairs.push_back({static_cast<int32_t>(out_.spans.size()), index});
}

void BatchFiller::add_batch(const Batch& batch) {
  const auto first = static_cast<int32_t>(out_.tokens.size());
  out_.tokens.insert(out_.tokens.end(), batch.tokens.begin(),
                     batch.tokens.end());
  out_.targets.insert(out_.targets.end(), batch.targets.begin(),
                      batch.targets.end());
  for (const SequenceSpan& span : batch.spans)
    out_.spans.push_back({first + span.begin, span.length});
  out_.loss_tokens += batch.loss_tokens;
}

void BatchFiller::pad() {
  while (room() > 0) {
    const int32_t size = std::min(room(), max_length_);
    out_.spans.push_back({static_cast<int32_t>(out_.tokens.size()), size});
    out_.tokens.resize(out_.tokens.size() + size, 0);
    out_.targets.resize(out_.tokens.size(), kIgnoreTarget);
  }
}

}  // namespace seodang
