// Text, token by token: one sequence as it streams, or many at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generate/sampler.h"
#include "generate/session.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

struct Constraint;  // grammar/token_filter.h

// So many tokens are no limit: an output ends with its context.
constexpr int64_t kMostNewTokens = 1 << 24;

struct GenerateOptions {
  SamplerOptions sampler = {};
  int64_t max_new_tokens = 128;
  std::vector<int32_t> end_tokens = {};  // LanguageModel::end_tokens()
  std::vector<std::string> stop =
      {};           // texts that end the output, left out of it
  int32_t top = 0;  // candidates to keep for each token, best first
  // Draft tokens at most in one forward, from what stands in the prompt and the
  // output (generate/speculative_session.h); the output is the same with and
  // without. generate() alone drafts.
  int64_t prompt_lookup = 15;
  // The output is a text of this grammar, or the beginning of one when it is
  // cut short; nullptr: any text.
  std::shared_ptr<const Constraint> constraint = {};
};

template <class Visit>
void visit_options(GenerateOptions& o, Visit&& visit) {
  visit("max-tokens", o.max_new_tokens, "Most tokens to generate",
        from_to(1, kMostNewTokens));
  visit_options(o.sampler, visit);
  visit("stop", o.stop, "Text that ends the output (repeatable)");
}

enum class StopReason {
  eos,     // an end token: the model stopped by itself
  length,  // max_new_tokens, or the context is full
  stop,    // one of the stop texts, or a constraint that nothing may follow
};
std::string_view name_of(StopReason reason);

struct Generation {
  std::string text;            // valid UTF-8, without the end token
  std::vector<Choice> tokens;  // with the end token, if there was one
  StopReason stop = StopReason::length;
  int64_t prompt_tokens = 0;
  int64_t accepted_draft_tokens = 0;  // of `tokens`, those that were drafted
  double prompt_seconds = 0;          // until the first logits
  double seconds = 0;                 // from then on
};

// Called for each token with the whole characters that it made certain (often
// none: a character may need several tokens, a stop text may have begun).
// Returning false stops the generation (as StopReason::length).
using OnToken = std::function<bool(const Choice&, std::string_view text)>;

// Continues `prompt`. Throws Error when the prompt is empty or leaves no room
// for a single token.
Generation generate(Session& session, const Tokenizer& tokenizer,
                    std::span<const int32_t> prompt,
                    const GenerateOptions& options,
                    const OnToken& on_token = {});

// Continues many prompts, up to `batch_size` of them in each forward; a
// finished one's place is taken by the next. Up to rounding, each result is
// what generate() gives alone (with a seed of its own, made from the options'
// seed and its index). Timings are left 0. `on_done` hears how many are
// finished.
std::vector<Generation> generate_batch(
    const ModelConfig& config, const Weights& weights,
    const Tokenizer& tokenizer, std::span<const std::vector<int32_t>> prompts,
    const GenerateOptions& options, int32_t batch_size = 64,
    const std::function<void(size_t)>& on_done = {});

}  // namespace seodang
