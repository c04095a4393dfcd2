#include "generate/session.h"

#include <algorithm>

#include "base/error.h"

namespace seodang {
namespace {

int64_t clamped_capacity(const ModelConfig& config, int64_t capacity) {
  const int64_t most = config.context_length();
  return capacity > 0 ? std::min(capacity, most) : most;
}

}  // namespace

Session::Session(const ModelConfig& config, const Weights& weights,
                 int64_t capacity, std::optional<Dtype> kv_cache_dtype)
    : kv_cache_(config, clamped_capacity(config, capacity),
                kv_cache_dtype.value_or(weights.act())),
      step_(std::min(kv_cache_.capacity(), kMaxStep)),
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
  return advance(shared);
}

std::span<const float> Session::append(int32_t token) {
  if (static_cast<int64_t>(tokens_.size()) == capacity())
    throw Error("the context of {} tokens is full", capacity());
  tokens_.push_back(token);
  return advance(tokens_.size() - 1);
}

// Computes tokens_[from…]; what stands before is in the cache.
std::span<const float> Session::advance(size_t from) {
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
  decoder_.logits(logits_, hidden.rows_from(hidden.rows - 1, 1));
  return {logits_.view().row<float>(0),
          static_cast<size_t>(logits_.view().cols)};
}

}  // namespace seodang
