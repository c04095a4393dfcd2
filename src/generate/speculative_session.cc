#include "generate/speculative_session.h"

#include <algorithm>

namespace seodang {

SpeculativeSession::SpeculativeSession(Session& session, int64_t most)
    : session_(session), lookup_(std::min(most, session.exact_appends() - 1)) {}

SpeculativeSession::~SpeculativeSession() {
  session_.truncate(std::min(session_.tokens().size(), tokens_.size()));
}

std::span<const float> SpeculativeSession::read(
    std::span<const int32_t> prompt) {
  tokens_.assign(prompt.begin(), prompt.end());
  return session_.read(prompt);
}

std::span<const float> SpeculativeSession::append(int32_t token) {
  const size_t place = tokens_.size();
  tokens_.push_back(token);
  if (place < session_.tokens().size() && session_.tokens()[place] == token) {
    ++row_;
    ++accepted_;
  } else {
    lookup_.accept(row_);
    session_.truncate(place);
    std::vector<int32_t> next = {token};
    const int64_t room = session_.capacity() - std::ssize(tokens_);
    for (const int32_t draft : lookup_.draft(tokens_))
      if (std::ssize(next) <= room) next.push_back(draft);
    rows_ = session_.append(next);
    row_ = 0;
  }
  return {rows_.row<float>(row_), static_cast<size_t>(rows_.cols)};
}

}  // namespace seodang
