// A session whose next tokens are drafted from the prompt and the output, and
// checked several in one forward (Leviathan et al., "Fast inference from
// Transformers via speculative decoding", 2023). The logits are those of a
// session without drafts, bit for bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generate/prompt_lookup.h"
#include "generate/session.h"

namespace seodang {

class SpeculativeSession {
 public:
  // Drafts up to `most` tokens at a time, as far as Session::exact_appends()
  // allows; 0: none. The session must outlive it, and is used by nobody else
  // meanwhile.
  SpeculativeSession(Session& session, int64_t most);
  // The session keeps tokens() and forgets drafts.
  ~SpeculativeSession();
  SpeculativeSession(const SpeculativeSession&) = delete;
  SpeculativeSession& operator=(const SpeculativeSession&) = delete;

  // As Session's.
  std::span<const float> read(std::span<const int32_t> prompt);
  std::span<const float> append(int32_t token);

  // Without drafts.
  const std::vector<int32_t>& tokens() const { return tokens_; }
  // Tokens that had been drafted when they were appended.
  int64_t accepted() const { return accepted_; }

 private:
  Session& session_;
  PromptLookup lookup_;
  std::vector<int32_t> tokens_;
  // Logits behind the last token that was not drafted and the drafts behind it,
  // of which `row_` were accepted.
  Tensor rows_;
  int64_t row_ = 0, accepted_ = 0;
};

}  // namespace seodang
