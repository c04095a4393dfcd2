#include "train/samples.h"

#include <algorithm>

#include "model/decoder.h"

namespace seodang {

std::string continue_text(const ModelConfig& config, const Weights& weights,
                          const Tokenizer& tokenizer,
                          const std::vector<int32_t>& prompt) {
  constexpr int64_t kTokens = 32;
  const int64_t length = static_cast<int64_t>(prompt.size());
  const int64_t room =
      std::min<int64_t>(length + kTokens, config.max_position_embeddings);
  if (length == 0 || length >= room) return "";
  const std::vector<int32_t> ends = tokenizer.end_of_turn_ids();
  Decoder decoder(config, weights, length);
  KvCache cache(config, room, weights.embed_tokens.dtype);
  const OwnedTensor logits(Dtype::f32, 1, config.vocab_size);
  std::vector<int32_t> next = prompt, answer;
  while (cache.length() + static_cast<int64_t>(next.size()) <= room) {
    const SequenceSpan span{0, static_cast<int32_t>(next.size()), &cache};
    const Tensor hidden = decoder.forward(next, {&span, 1});
    decoder.logits(logits, hidden.rows_from(hidden.rows - 1, 1));
    const float* row = logits.view().row<float>(0);
    const auto best = static_cast<int32_t>(
        std::max_element(row, row + config.vocab_size) - row);
    if (std::find(ends.begin(), ends.end(), best) != ends.end()) break;
    answer.push_back(best);
    next = {best};
  }
  return tokenizer.decode(answer);
}

}  // namespace seodang
