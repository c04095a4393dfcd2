// What a model is trained on in one go: tokens laid one document behind
// another.
#pragma once

#include <cstdint>
#include <vector>

namespace seodang {

// A target that carries no loss, as in Hugging Face.
constexpr int32_t kIgnoreTarget = -100;

// One document, or one piece of one: attention stays inside it and positions
// start at 0.
struct Span {
  int32_t begin = 0, length = 0;
};

struct Batch {
  std::vector<int32_t> tokens;   // (N)
  std::vector<int32_t> targets;  // (N): the next token, or kIgnoreTarget
  std::vector<Span> spans;       // cover [0, N), in order
  int64_t loss_tokens = 0;       // targets that are not ignored
};

}  // namespace seodang
