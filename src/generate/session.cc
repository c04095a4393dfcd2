#include "generate/session.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "generate/batch_invariance.h"
#include "kernels/attention.h"

namespace seodang {
namespace {

int64_t clamped_capacity(const ModelConfig& config, int64_t capacity) {
  const int64_t most = config.context_length();
  return capacity > 0 ? std::min(capacity, most) : most;
}

static_assert(Session::kMostAppended <= kFewQueries);

}  // namespace

Session::Session(const ModelConfig& config, const Weights& weights,
                 int64_t capacity, std::optional<Dtype> kv_cache_dtype)
    : kv_cache_(config, clamped_capacity(config, capacity),
                kv_cache_dtype.value_or(weights.act())),
      step_(std::min(kv_cache_.capacity(), kMaxStep)),
      exact_appends_(std::min(batch_invariant_rows(weights), kMostAppended)),
      decoder_(config, weights, step_),
      logits_(Dtype::f32, 1, config.vocab_size) {}

std::span<const float> Session::read(std::span<const int32_t> tokens) {
  if (tokens.empty()) throw Error("there is nothing to continue");
  if (static_cast<int64_t>(tokens.size()) > capacity())
    throw Error("{} tokens do not fit into a context of {}", tokens.size(),
                capacity());
  // The last token is always computed: its logits are wanted.
  const size_t limit = std::min(tokens_.size(), tokens.size() - 1);
  const size_t shared = static_cast<size_t>(
      std::mismatch(tokens.begin(),
                    tokens.begin() + static_cast<std::ptrdiff_t>(limit),
                    tokens_.begin())
          .first -
      tokens.begin());
  tokens_.assign(tokens.begin(), tokens.end());
  return last_logits(advance(shared));
}

std::span<const float> Session::append(int32_t token) {
  const Tensor logits = append(std::span(&token, 1));
  return {logits.row<float>(0), static_cast<size_t>(logits.cols)};
}

Tensor Session::append(std::span<const int32_t> tokens) {
  const size_t before = tokens_.size();
  if (static_cast<int64_t>(before + tokens.size()) > capacity())
    throw Error("the context of {} tokens is full", capacity());
  const int64_t rows = std::ssize(tokens);
  if (rows < 1 || rows > kMostAppended)
    throw std::logic_error("append() takes 1 to kMostAppended tokens");
  if (logits_.view().rows < rows)
    logits_ = OwnedTensor(Dtype::f32, kMostAppended, logits_.view().cols);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  const Tensor logits = logits_.view().rows_from(0, rows);
  decoder_.logits(logits, advance(before).rows_from(0, rows));
  return logits;
}

void Session::truncate(size_t tokens) {
  tokens_.resize(tokens);
  kv_cache_.truncate(static_cast<int64_t>(tokens));
}

Tensor Session::advance(size_t from) {
  kv_cache_.truncate(static_cast<int64_t>(from));
  Tensor hidden;
  while (from < tokens_.size()) {
    const size_t count =
        std::min(tokens_.size() - from, static_cast<size_t>(step_));
    const SequenceSpan span{0, static_cast<int32_t>(count), &kv_cache_};
    hidden = decoder_.forward(std::span(tokens_).subspan(from, count),
                              std::span(&span, 1));
    from += count;
  }
  return hidden;
}

std::span<const float> Session::last_logits(Tensor hidden) {
  const Tensor logits = logits_.view().rows_from(0, 1);
  decoder_.logits(logits, hidden.rows_from(hidden.rows - 1, 1));
  return {logits.row<float>(0), static_cast<size_t>(logits.cols)};
}

}  // namespace seodang
