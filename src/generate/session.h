// One sequence that grows: what was read stays in the kv_cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/decoder.h"

namespace seodang {

// Tokens that a conversation may have unless more are asked for: the cache of a
// model that can read 131,072 may be larger than the model.
constexpr int64_t kUsualContext = 8192;
// `asked`, 0 for the usual one, as far as the model reads.
inline int64_t usual_context(const ModelConfig& config, int64_t asked = 0) {
  return std::min<int64_t>(asked > 0 ? asked : kUsualContext,
                           config.context_length());
}

class Session {
 public:
  // Tokens in one forward at most: enough for products to run at full speed.
  static constexpr int64_t kMaxStep = 512;

  // `weights` must outlive it. Room for `capacity` tokens; 0 or more than
  // context_length(): that many. Its kv_cache is of `kv_cache_dtype`
  // (model/kv_cache.h), or of the activations'.
  Session(const ModelConfig& config, const Weights& weights,
          int64_t capacity = 0, std::optional<Dtype> kv_cache_dtype = {});

  // Makes `tokens` the sequence and returns the logits (vocab_size) behind its
  // last token, valid until the next call. What the sequence has in common with
  // the one before is not computed again. Throws Error when it is empty or
  // longer than capacity().
  std::span<const float> read(std::span<const int32_t> tokens);
  // Appends one token.
  std::span<const float> append(int32_t token);
  // Appends up to kMostAppended tokens and returns logits (n, vocab_size), a
  // row behind each, valid until the next call. Throws Error when they do not
  // fit.
  Tensor append(std::span<const int32_t> tokens);
  // Forgets all but the first tokens, which are no more than there are.
  void truncate(size_t tokens);

  // Tokens that append() takes so that each has the logits that it would have
  // had alone, bit for bit; at least 1.
  int64_t exact_appends() const { return exact_appends_; }
  static constexpr int64_t kMostAppended = 16;

  const std::vector<int32_t>& tokens() const { return tokens_; }
  int64_t capacity() const { return kv_cache_.capacity(); }

 private:
  // Computes tokens_[from…]; what stands before is in the cache. The hidden
  // states of the last forward.
  Tensor advance(size_t from);
  std::span<const float> last_logits(Tensor hidden);

  KvCache kv_cache_;
  int64_t step_;  // tokens in one forward
  int64_t exact_appends_;
  Decoder decoder_;
  OwnedTensor logits_;
  std::vector<int32_t> tokens_;
};

}  // namespace seodang
