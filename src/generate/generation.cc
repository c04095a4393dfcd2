#include "generate/generation.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/hash.h"
#include "generate/batch_runner.h"
#include "generate/output.h"
#include "generate/speculative_session.h"

namespace seodang {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::eos:
      return "eos";
    case StopReason::stop:
      return "stop";
    case StopReason::length:
      break;
  }
  return "length";
}

Generation generate(Session& session, const Tokenizer& tokenizer,
                    std::span<const int32_t> prompt,
                    const GenerateOptions& options, const OnToken& on_token) {
  check_generation(options, prompt, session.capacity());
  Sampler sampler(options.sampler);
  OutputWriter writer(tokenizer, options);
  Generation& result = writer.result();
  SpeculativeSession sequence(session, options.prompt_lookup);
  auto start = Clock::now();
  std::span<const float> logits = sequence.read(prompt);
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  result.prompt_seconds = seconds_since(start);
  start = Clock::now();
  while (true) {
    const Choice choice =
        sampler.choose(known_logits(logits, tokenizer), sequence.tokens(),
                       prompt.size(), options.top, writer.allowed());
    std::string text = writer.add(choice);
    const bool full =
        static_cast<int64_t>(sequence.tokens().size()) == session.capacity();
    if (!writer.finished() && full) text += writer.finish(StopReason::length);
    if (on_token && !on_token(choice, text) && !writer.finished())
      writer.finish(StopReason::length);
    if (writer.finished()) break;
    logits = sequence.append(choice.id);
  }
  result.accepted_draft_tokens = sequence.accepted();
  result.seconds = seconds_since(start);
  return std::move(result);
}

std::vector<Generation> generate_batch(
    const ModelConfig& config, const Weights& weights,
    const Tokenizer& tokenizer, std::span<const std::vector<int32_t>> prompts,
    const GenerateOptions& options, int32_t batch_size,
    const std::function<void(size_t)>& on_done) {
  if (batch_size < 1) throw UsageError("batch_size must be 1 or more");
  std::vector<Generation> out(prompts.size());
  size_t longest = 0;
  for (const auto& prompt : prompts) {
    check_generation(options, prompt, config.context_length());
    longest = std::max(longest, prompt.size());
  }
  if (prompts.empty()) return out;
  const int64_t capacity =
      std::min<int64_t>(config.context_length(),
                        static_cast<int64_t>(longest) + options.max_new_tokens);
  batch_size = static_cast<int32_t>(
      std::min<size_t>(static_cast<size_t>(batch_size), prompts.size()));
  BatchRunner runner(config, weights, tokenizer, capacity, batch_size,
                     BatchMode::offline);
  size_t next = 0, finished = 0;
  while (finished < prompts.size()) {
    for (; next < prompts.size() && runner.has_room(); ++next)
      runner.admit({.prompt = prompts[next],
                    .options = options,
                    .stream = mix_bits(1 + next),
                    .done = [&, which = next](Generation generation,
                                              const std::exception_ptr& error) {
                      if (error) std::rethrow_exception(error);
                      out[which] = std::move(generation);
                      ++finished;
                      if (on_done) on_done(finished);
                    }});
    runner.step();
  }
  return out;
}

}  // namespace seodang
