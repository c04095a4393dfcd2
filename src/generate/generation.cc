#include "generate/generation.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/utf8_stream.h"

namespace seodang {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Turns the tokens of one output into text and knows when it is over. Text that
// could be the beginning of a stop text is held back until that is decided.
class Writer {
 public:
  Writer(const Tokenizer& tokenizer, const GenerateOptions& options)
      : tokenizer_(tokenizer), options_(options) {}

  // Returns the text that became certain.
  std::string add(const Choice& choice) {
    result_.tokens.push_back(choice);
    const auto& end = options_.end_tokens;
    if (std::find(end.begin(), end.end(), choice.id) != end.end())
      return finish(StopReason::eos);
    if (!tokenizer_.is_special(choice.id))
      held_ += utf8_.push(tokenizer_.token_bytes(choice.id));
    for (const std::string& stop : options_.stop) {
      const size_t at = held_.find(stop);
      if (at == std::string::npos) continue;
      cut_ = std::min(cut_.value_or(at), at);
    }
    if (cut_) return finish(StopReason::stop);
    if (static_cast<int64_t>(result_.tokens.size()) >= options_.max_new_tokens)
      return finish(StopReason::length);
    return release(held_.size() - longest_stop_prefix());
  }

  std::string finish(StopReason reason) {
    finished_ = true;
    result_.stop = reason;
    if (cut_) {
      held_.resize(*cut_);
    } else {
      held_ += utf8_.finish();
    }
    return release(held_.size());
  }

  bool finished() const { return finished_; }
  Generation& result() { return result_; }

 private:
  // Length of the longest end of held_ that begins a stop text.
  size_t longest_stop_prefix() const {
    size_t longest = 0;
    for (const std::string& stop : options_.stop) {
      size_t n = std::min(stop.size() - 1, held_.size());
      while (n > longest && !std::string_view(held_).ends_with(
                                std::string_view(stop).substr(0, n)))
        --n;
      longest = std::max(longest, n);
    }
    return longest;
  }

  std::string release(size_t count) {
    std::string text = held_.substr(0, count);
    held_.erase(0, count);
    result_.text += text;
    return text;
  }

  const Tokenizer& tokenizer_;
  const GenerateOptions& options_;
  Generation result_;
  Utf8Stream utf8_;
  std::string held_;
  std::optional<size_t> cut_;
  bool finished_ = false;
};

void check(const GenerateOptions& options) {
  check_options(options);
  for (const std::string& stop : options.stop)
    if (stop.empty()) throw UsageError("a stop text is empty");
}

void check(std::span<const int32_t> prompt, int64_t context) {
  if (prompt.empty()) throw Error("there is nothing to continue");
  if (static_cast<int64_t>(prompt.size()) > context)
    throw Error(
        "the prompt has {} tokens and the context holds {}; shorten the prompt",
        prompt.size(), context);
}

// A model's rows may be padded past the tokenizer's ids; those are no choice.
std::span<const float> known(std::span<const float> logits,
                             const Tokenizer& tokenizer) {
  return logits.first(
      std::min(logits.size(), static_cast<size_t>(tokenizer.vocab_size())));
}

// One prompt of generate_batch and where it stands.
struct ActiveSequence {
  ActiveSequence(size_t which, std::span<const int32_t> prompt,
                 const Tokenizer& tokenizer, const GenerateOptions& options)
      : index(which),
        tokens(prompt.begin(), prompt.end()),
        sampler(options.sampler, mix_bits(1 + which)),
        writer(tokenizer, options) {
    writer.result().prompt_tokens = static_cast<int64_t>(prompt.size());
  }

  size_t pending() const {
    return tokens.size() - static_cast<size_t>(kv_cache->length());
  }

  size_t index;
  std::vector<int32_t> tokens;  // prompt and output
  KvCache* kv_cache = nullptr;
  Sampler sampler;
  Writer writer;
};

// Runs the active sequences through one forward each step.
class BatchRunner {
 public:
  BatchRunner(const ModelConfig& config, const Weights& weights,
              int64_t capacity, int32_t batch_size)
      : max_tokens_(std::max<int64_t>(512, batch_size)),
        decoder_(config, weights, max_tokens_),
        rows_(weights.act(), batch_size, config.hidden_size),
        logits_(Dtype::f32, batch_size, config.vocab_size) {
    for (int32_t i = 0; i < batch_size; ++i) {
      caches_.emplace_back(config, capacity, weights.act());
      free_.push_back(static_cast<size_t>(batch_size - 1 - i));
    }
  }

  bool has_room() const { return !free_.empty(); }
  void admit(std::unique_ptr<ActiveSequence> sequence) {
    sequence->kv_cache = &caches_[free_.back()];
    sequence->kv_cache->truncate(0);
    free_.pop_back();
    active_.push_back(std::move(sequence));
  }

  // Calls choose(sequence, logits) for each whose prompt is read through, from
  // any thread, and done(sequence) for each that is finished and so leaves.
  template <class Choose, class Done>
  void step(Choose&& choose, Done&& done) {
    tokens_.clear();
    spans_.clear();
    std::vector<ActiveSequence*> ready;
    // One token for everyone first; what is left of the step reads prompts.
    size_t spare = static_cast<size_t>(max_tokens_) - active_.size();
    for (const auto& sequence : active_) {
      const size_t count = std::min(sequence->pending(), 1 + spare);
      spare -= count - 1;
      const auto begin =
          sequence->tokens.begin() + sequence->kv_cache->length();
      spans_.push_back({static_cast<int32_t>(tokens_.size()),
                        static_cast<int32_t>(count), sequence->kv_cache});
      tokens_.insert(tokens_.end(), begin,
                     begin + static_cast<std::ptrdiff_t>(count));
      ready.push_back(count == sequence->pending() ? sequence.get() : nullptr);
    }
    const Tensor hidden = decoder_.forward(tokens_, spans_);
    // Always as many rows: products are compiled per shape.
    for (size_t i = 0; i < spans_.size(); ++i)
      std::memcpy(
          rows_.view().rows_from(static_cast<int64_t>(i), 1).data,
          hidden.rows_from(spans_[i].begin + spans_[i].length - 1, 1).data,
          static_cast<size_t>(hidden.cols) * size_of(hidden.dtype));
    decoder_.logits(logits_, rows_);
    parallel_items(std::ssize(ready), [&](int64_t i) {
      if (ready[static_cast<size_t>(i)] != nullptr)
        choose(
            *ready[static_cast<size_t>(i)],
            std::span<const float>(logits_.view().row<float>(i),
                                   static_cast<size_t>(logits_.view().cols)));
    });
    std::erase_if(
        active_, [&](const std::unique_ptr<ActiveSequence>& sequence) {
          if (!sequence->writer.finished()) return false;
          free_.push_back(
              static_cast<size_t>(sequence->kv_cache - caches_.data()));
          done(*sequence);
          return true;
        });
  }

 private:
  int64_t max_tokens_;
  Decoder decoder_;
  OwnedTensor rows_, logits_;
  std::vector<KvCache> caches_;
  std::vector<size_t> free_;
  std::vector<std::unique_ptr<ActiveSequence>> active_;
  std::vector<int32_t> tokens_;
  std::vector<SequenceSpan> spans_;
};

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
  check(options);
  check(prompt, session.capacity());
  Sampler sampler(options.sampler);
  Writer writer(tokenizer, options);
  auto start = Clock::now();
  std::span<const float> logits = session.read(prompt);
  writer.result().prompt_tokens = static_cast<int64_t>(prompt.size());
  writer.result().prompt_seconds = seconds_since(start);
  start = Clock::now();
  while (true) {
    const Choice choice =
        sampler.choose(known(logits, tokenizer), session.tokens(), options.top);
    std::string text = writer.add(choice);
    const bool full =
        static_cast<int64_t>(session.tokens().size()) == session.capacity();
    if (!writer.finished() && full) text += writer.finish(StopReason::length);
    if (on_token && !on_token(choice, text) && !writer.finished())
      writer.finish(StopReason::length);
    if (writer.finished()) break;
    logits = session.append(choice.id);
  }
  writer.result().seconds = seconds_since(start);
  return std::move(writer.result());
}

std::vector<Generation> generate_batch(
    const ModelConfig& config, const Weights& weights,
    const Tokenizer& tokenizer, std::span<const std::vector<int32_t>> prompts,
    const GenerateOptions& options, int32_t batch_size,
    const std::function<void(size_t)>& on_done) {
  check(options);
  if (batch_size < 1) throw UsageError("batch_size must be 1 or more");
  std::vector<Generation> out(prompts.size());
  if (prompts.empty()) return out;
  size_t longest = 0;
  for (const auto& prompt : prompts) {
    check(prompt, config.context_length());
    longest = std::max(longest, prompt.size());
  }
  const int64_t capacity =
      std::min<int64_t>(config.context_length(),
                        static_cast<int64_t>(longest) + options.max_new_tokens);
  batch_size = static_cast<int32_t>(
      std::min<size_t>(static_cast<size_t>(batch_size), prompts.size()));
  BatchRunner runner(config, weights, capacity, batch_size);

  size_t next = 0, finished = 0;
  const auto choose = [&](ActiveSequence& sequence,
                          std::span<const float> logits) {
    const Choice choice = sequence.sampler.choose(known(logits, tokenizer),
                                                  sequence.tokens, options.top);
    sequence.writer.add(choice);
    const bool full =
        static_cast<int64_t>(sequence.tokens.size()) == config.context_length();
    if (!sequence.writer.finished() && full)
      sequence.writer.finish(StopReason::length);
    sequence.tokens.push_back(choice.id);
  };
  while (finished < prompts.size()) {
    while (next < prompts.size() && runner.has_room()) {
      runner.admit(std::make_unique<ActiveSequence>(next, prompts[next],
                                                    tokenizer, options));
      ++next;
    }
    runner.step(choose, [&](ActiveSequence& sequence) {
      out[sequence.index] = std::move(sequence.writer.result());
      ++finished;
      if (on_done) on_done(finished);
    });
  }
  return out;
}

}  // namespace seodang
