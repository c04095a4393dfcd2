#include "tokenizer/pre_tokenizer.h"

namespace seodang {

PreTokenizer::PreTokenizer(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) stages_.emplace_back(pattern);
}

}  // namespace seodang
