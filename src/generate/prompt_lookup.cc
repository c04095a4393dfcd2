#include "generate/prompt_lookup.h"

#include <algorithm>

#include "base/rng.h"

namespace seodang {
namespace {

constexpr int64_t kFirstLength = 4, kLongestPause = 64;

uint64_t hash_of(std::span<const int32_t> tokens) {
  uint64_t hash = 0;
  for (const int32_t token : tokens)
    hash = mix_bits(hash, static_cast<uint64_t>(token));
  return hash;
}

}  // namespace

PromptLookup::PromptLookup(int64_t most)
    : most_(most), length_(std::min(most, kFirstLength)) {}

std::span<const int32_t> PromptLookup::draft(std::span<const int32_t> tokens) {
  drafted_ = 0;
  if (most_ == 0 || tokens.size() <= kNgram) return {};
  // All n-grams but the last: that one is looked for.
  for (size_t end = std::max(known_ + 1, kNgram); end < tokens.size(); ++end)
    behind_[hash_of(tokens.subspan(end - kNgram, kNgram))] = end;
  known_ = tokens.size() - 1;
  if (pause_ > 0) {
    --pause_;
    return {};
  }
  const auto last = tokens.last(kNgram);
  const auto found = behind_.find(hash_of(last));
  if (found == behind_.end()) return {};
  const size_t place = found->second;
  if (!std::ranges::equal(tokens.subspan(place - kNgram, kNgram), last))
    return {};
  drafted_ = std::min(length_, static_cast<int64_t>(tokens.size() - place));
  return tokens.subspan(place, static_cast<size_t>(drafted_));
}

void PromptLookup::accept(int64_t count) {
  if (drafted_ == 0) return;
  if (count > 0) last_pause_ = 0;
  if (count == drafted_) {
    length_ = std::min(most_, 2 * length_);
    return;
  }
  length_ = std::max<int64_t>(1, count + 1);
  if (count > 0) return;
  last_pause_ = std::min(kLongestPause, std::max<int64_t>(1, 2 * last_pause_));
  pause_ = last_pause_;
}

}  // namespace seodang
