// From logits to one token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/options.h"
#include "base/rng.h"

namespace seodang {

// Applied in this order; each default leaves the distribution as it is.
struct SamplerOptions {
  // Logits of tokens that occurred before are divided by it when positive and
  // multiplied when negative: Keskar et al., "CTRL", 2019, section 4.1.
  double repetition_penalty = 1;
  // From the logits of tokens of the output is taken: frequency_penalty for
  // each time they occurred in it, and presence_penalty once (OpenAI's API
  // reference, "Frequency and presence penalties").
  double frequency_penalty = 0, presence_penalty = 0;
  // Logits are divided by it; 0 takes the most probable token.
  double temperature = 0;
  // The k most probable tokens remain (0: all): Fan et al., "Hierarchical
  // Neural Story Generation", 2018, section 5.
  int32_t top_k = 0;
  // The fewest most probable tokens whose sum reaches p remain: Holtzman et
  // al., "The Curious Case of Neural Text Degeneration", 2020, section 3.1.
  double top_p = 1;
  // Tokens at least min_p times as probable as the most probable one remain:
  // Nguyen et al., "Min P Sampling", 2024, section 3.
  double min_p = 0;
  uint64_t seed = 1;
};

template <class Visit>
void visit_options(SamplerOptions& o, Visit&& visit) {
  visit("temperature", o.temperature,
        "0 takes the most probable token; 1 draws as the model says",
        from_to(0, 100));
  visit("top-k", o.top_k, "Draw among the k most probable tokens (0: all)",
        at_least(0));
  visit("top-p", o.top_p,
        "Draw among the fewest tokens whose probability reaches p",
        from_to(1e-6, 1));
  visit("min-p", o.min_p,
        "Draw among tokens at least p times as probable as the best",
        from_to(0, 1));
  visit("repetition-penalty", o.repetition_penalty,
        "Above 1 makes tokens that occurred less probable", from_to(0.01, 100));
  visit("frequency-penalty", o.frequency_penalty,
        "Above 0 makes tokens less probable each time they were written",
        from_to(-2, 2));
  visit("presence-penalty", o.presence_penalty,
        "Above 0 makes tokens that were written less probable", from_to(-2, 2));
  visit("seed", o.seed, "Seed of the draws");
}

struct Candidate {
  int32_t id = -1;
  float logprob = 0;
};

// Log-probabilities are the model's own, log softmax(logits), whatever the
// options made of them. Of equals, the lower id comes first.
struct Choice {
  int32_t id = -1;
  float logprob = 0;
  std::vector<Candidate> top;  // the most probable tokens, best first
};

class Sampler {
 public:
  // Different `stream` values draw independently. Throws UsageError naming an
  // option that is out of range.
  explicit Sampler(const SamplerOptions& options, uint64_t stream = 0);

  // logits (vocab_size). The penalties look at `history`, of which the first
  // `prompt_tokens` are no output. Of the tokens that are `allowed`, if that is
  // given: for each id whether it is. Throws Error when no logit is a number,
  // and when none is allowed.
  Choice choose(std::span<const float> logits, std::span<const int32_t> history,
                size_t prompt_tokens = 0, int32_t top = 0,
                const std::vector<bool>* allowed = nullptr);

 private:
  int32_t draw(std::span<const float> logits, std::span<const int32_t> history,
               std::span<const int32_t> output,
               const std::vector<bool>* allowed);

  SamplerOptions options_;
  Rng rng_;
};

// The `count` most probable tokens, best first.
std::vector<Candidate> most_probable(std::span<const float> logits,
                                     int32_t count);

}  // namespace seodang
