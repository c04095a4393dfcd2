// Draft tokens found where the last few stood before: code that is changed, a
// text that is corrected or quoted (Saxena, "Prompt Lookup Decoding", 2023).
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace seodang {

class PromptLookup {
 public:
  // Up to `most` tokens at a time; 0: none ever.
  explicit PromptLookup(int64_t most);

  // What followed the last kNgram of `tokens` where they stood last before. As
  // many as the drafts so far were worth: more when all of one was accepted,
  // fewer when not. `tokens` are those of the call before and further ones.
  std::span<const int32_t> draft(std::span<const int32_t> tokens);
  // How many of the last draft the model wrote.
  void accept(int64_t count);

 private:
  static constexpr size_t kNgram = 3;

  int64_t most_, length_;  // of a draft
  int64_t drafted_ = 0;    // tokens of the last one
  int64_t pause_ = 0;      // drafts that are not made, after wrong ones
  int64_t last_pause_ = 0;
  size_t known_ = 0;  // tokens whose n-grams are in `behind_`
  std::unordered_map<uint64_t, size_t> behind_;  // an n-gram's last place
};

}  // namespace seodang
