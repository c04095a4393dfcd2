#include "tokenizer/added_tokens.h"

#include <algorithm>

namespace seodang {

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    auto& same = by_first_byte_[static_cast<uint8_t>(token.content[0])];
    if (same.empty()) first_bytes_ += token.content[0];
    same.push_back(&token);
  }
  for (auto& same : by_first_byte_)
    std::stable_sort(same.begin(), same.end(), [](auto* a, auto* b) {
      return a->content.size() > b->content.size();
    });
}

const AddedToken* AddedTokenFinder::next(std::string_view text, size_t from,
                                         bool special, size_t& begin) const {
  for (begin = text.find_first_of(first_bytes_, from); begin != text.npos;
       begin = text.find_first_of(first_bytes_, begin + 1)) {
    for (const AddedToken* token :
         by_first_byte_[static_cast<uint8_t>(text[begin])])
      if ((special || !token->special) &&
          text.substr(begin).starts_with(token->content))
        return token;
  }
  return nullptr;
}

}  // namespace seodang
