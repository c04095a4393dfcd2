// What a model is trained on in one go: tokens laid one document behind
// another.
#pragma once

#include <cstdint>
#include <vector>

namespace seodang {

// A target that carries no loss, as in Hugging Face.
constexpr int32_t kIgnoreTarget = -100;

class KvCache;  // model/kv_cache.h

// `length` tokens of one sequence: attention stays inside it. Without a cache
// they are the whole of it (in a batch a document, or a piece of one) and
// positions start at 0; with a cache they continue it and are appended to it.
struct SequenceSpan {
  int32_t begin = 0, length = 0;
  KvCache* kv_cache = nullptr;
};

// Two answers to one prompt: span `chosen` of a batch, and the next, which is
// rejected.
struct PreferencePair {
  int32_t chosen = 0;
  int64_t index = 0;  // of the pair in its set
};

struct Batch {
  std::vector<int32_t> tokens;      // (N)
  std::vector<int32_t> targets;     // (N): the next token, or kIgnoreTarget
  std::vector<SequenceSpan> spans;  // cover [0, N), in order
  int64_t loss_tokens = 0;          // targets that are not ignored
  std::vector<PreferencePair> pairs;
  // Of what is drawn while it is learned from (dropout); 0: nothing is.
  uint64_t seed = 0;
  // Of these draws, where this is a share of a batch (data/batch_share.h): the
  // place of its first token there.
  int64_t first_token = 0;
  // The first so many tokens are not learned but kept: where there is a teacher
  // (model/decoder.h), the loss is the distance from what it predicts there.
  int32_t distilled = 0;
  int64_t distilled_loss_tokens = 0;  // of loss_tokens, those among them
};

}  // namespace seodang
