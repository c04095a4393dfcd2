#include "grammar/token_filter.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace seodang {

TokenIndex::TokenIndex(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {
  for (int32_t id = 0; id < tokenizer_.vocab_size(); ++id)
    if (!tokenizer_.is_special(id) && !tokenizer_.token_bytes(id).empty())
      ids_.push_back(id);
  std::ranges::sort(ids_, {}, [&](int32_t id) {
    return std::pair(tokenizer_.token_bytes(id), id);
  });
  std::string_view before;
  for (const int32_t id : ids_) {
    const std::string_view bytes = tokenizer_.token_bytes(id);
    shared_.push_back(static_cast<uint32_t>(
        std::ranges::mismatch(before, bytes).in1 - before.begin()));
    before = bytes;
  }
}

template <class Visit>
void TokenIndex::for_each_readable(Recognizer& recognizer,
                                   Recognizer::State state,
                                   Visit&& visit) const {
  // states[n]: behind the first n bytes of the token that was looked at last.
  std::vector<Recognizer::State> states = {state};
  for (size_t i = 0; i < ids_.size(); ++i) {
    // What it shares with those before could not be read on to here.
    if (shared_[i] >= states.size()) continue;
    states.resize(shared_[i] + 1);
    const std::string_view bytes = tokenizer_.token_bytes(ids_[i]);
    while (states.size() <= bytes.size()) {
      const auto byte = static_cast<uint8_t>(bytes[states.size() - 1]);
      const Recognizer::State next = recognizer.next(states.back(), byte);
      if (next == Recognizer::kNone) break;
      states.push_back(next);
    }
    if (states.size() > bytes.size()) visit(ids_[i]);
  }
}

Constraint::Constraint(Grammar its_grammar,
                       std::shared_ptr<const TokenIndex> its_tokens)
    : grammar(std::move(its_grammar)), tokens(std::move(its_tokens)) {
  const Recognizer check(grammar);
}

TokenFilter::TokenFilter(std::shared_ptr<const Constraint> constraint)
    : constraint_(std::move(constraint)),
      recognizer_(constraint_->grammar),
      state_(recognizer_.start()) {}

const std::vector<bool>& TokenFilter::allowed() {
  constexpr size_t kMost = 64;
  if (const auto found = known_.find(state_); found != known_.end())
    return found->second;
  if (known_.size() >= kMost) known_.clear();
  const TokenIndex& tokens = *constraint_->tokens;
  std::vector<bool> out(static_cast<size_t>(tokens.tokenizer().vocab_size()));
  tokens.for_each_readable(recognizer_, state_, [&](int32_t id) {
    out[static_cast<size_t>(id)] = true;
  });
  return known_[state_] = std::move(out);
}

void TokenFilter::read(int32_t token) {
  for (const char byte : constraint_->tokens->tokenizer().token_bytes(token)) {
    state_ = recognizer_.next(state_, static_cast<uint8_t>(byte));
    if (state_ == Recognizer::kNone)
      throw Error("a token was written that the grammar does not have");
  }
  const Recognizer::State kept = recognizer_.keep(state_);
  if (kept != state_) known_.clear();
  state_ = kept;
}

}  // namespace seodang
