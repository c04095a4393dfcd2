// A real tokenizer, learned in a moment: 256 bytes, a few merges, Llama 3's
// special tokens.
#pragma once

#include <string>

#include "tokenizer/train_bpe.h"

namespace seodang {

inline Tokenizer small_tokenizer() {
  BpeTrainOptions options;
  options.vocab_size =
      300 + static_cast<int32_t>(options.special_tokens.size());
  int left = 3;
  Tokenizer tokenizer = train_bpe(
      [&](std::string& text) {
        text =
            "The capital of Korea is Seoul. 대한민국의 수도는 서울입니다. The "
            "capital of Japan is Tokyo. 일본의 수도는 도쿄입니다.";
        return left-- > 0;
      },
      options);
  return tokenizer;
}

}  // namespace seodang
