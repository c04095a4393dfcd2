#include "train/samples.h"

#include <algorithm>

#include "generate/end_tokens.h"
#include "generate/session.h"

namespace seodang {

std::string continue_text(const ModelConfig& config, const Weights& weights,
                          const Tokenizer& tokenizer,
                          const std::vector<int32_t>& prompt) {
  constexpr int64_t kTokens = 32;
  const int64_t length = static_cast<int64_t>(prompt.size());
  const int64_t room =
      std::min<int64_t>(kTokens, config.max_position_embeddings - length);
  if (length == 0 || room <= 0) return "";
  const auto ends = end_tokens(config.eos_token_id, tokenizer);
  Session session(config, weights, length + room);
  std::span<const float> logits = session.read(prompt);
  std::vector<int32_t> answer;
  for (int64_t i = 0; i < room; ++i) {
    const auto best = static_cast<int32_t>(
        std::max_element(logits.begin(), logits.end()) - logits.begin());
    if (std::find(ends.begin(), ends.end(), best) != ends.end()) break;
    answer.push_back(best);
    logits = session.append(best);
  }
  return tokenizer.decode(answer);
}

}  // namespace seodang
