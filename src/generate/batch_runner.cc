#include "generate/batch_runner.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/threads.h"
#include "generate/output.h"

namespace seodang {
namespace {

// A cache and the tokens that are in it.
struct Slot {
  KvCache kv_cache;
  std::vector<int32_t> tokens;
};

struct ActiveSequence {
  ActiveSequence(BatchSequence sequence, const Tokenizer& tokenizer,
                 Slot& its_slot)
      : asked(std::move(sequence)),
        slot(its_slot),
        tokens(asked.prompt),
        sampler(asked.options.sampler, asked.stream),
        writer(tokenizer, asked.options) {
    writer.result().prompt_tokens = static_cast<int64_t>(tokens.size());
  }

  size_t pending() const {
    return tokens.size() - static_cast<size_t>(slot.kv_cache.length());
  }

  BatchSequence asked;
  Slot& slot;
  std::vector<int32_t> tokens;  // prompt and output
  Sampler sampler;
  OutputWriter writer;
  std::exception_ptr error;
};

size_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

struct BatchRunner::State {
  State(const ModelConfig& model_config, const Weights& weights,
        const Tokenizer& its_tokenizer, int64_t tokens, int32_t batch_size,
        BatchMode its_mode)
      : config(model_config),
        tokenizer(its_tokenizer),
        capacity(tokens),
        mode(its_mode),
        max_tokens(std::max<int64_t>(Session::kMaxStep, batch_size)),
        decoder(config, weights, max_tokens),
        rows(weights.act(), batch_size, config.hidden_size),
        logits(Dtype::f32, batch_size, config.vocab_size) {
    slots.reserve(static_cast<size_t>(batch_size));
    for (int32_t i = 0; i < batch_size; ++i)
      slots.push_back({KvCache(config, capacity, weights.act()), {}});
    for (size_t i = slots.size(); i-- > 0;) free.push_back(&slots[i]);
  }

  // Of the free slots the one that has most of the prompt already.
  Slot& take_slot(std::span<const int32_t> prompt) {
    auto best = free.end() - 1;
    size_t shared = 0;
    if (mode == BatchMode::online)
      for (auto slot = free.begin(); slot != free.end(); ++slot)
        if (const size_t common = common_prefix((*slot)->tokens, prompt);
            common > shared) {
          shared = common;
          best = slot;
        }
    Slot& slot = **best;
    free.erase(best);
    // The last token is always computed: its logits are wanted.
    shared = std::min(shared, prompt.size() - 1);
    slot.kv_cache.truncate(static_cast<int64_t>(shared));
    return slot;
  }

  // The sequences' next tokens, and whose logits are wanted.
  std::vector<ActiveSequence*> place() {
    next_tokens.clear();
    spans.clear();
    std::vector<ActiveSequence*> ready;
    // One token for everyone first; what is left of the step reads prompts.
    size_t spare = static_cast<size_t>(max_tokens) - active.size();
    for (const auto& sequence : active) {
      const size_t count = std::min(sequence->pending(), 1 + spare);
      spare -= count - 1;
      KvCache& cache = sequence->slot.kv_cache;
      const auto begin = sequence->tokens.begin() + cache.length();
      spans.push_back({static_cast<int32_t>(next_tokens.size()),
                       static_cast<int32_t>(count), &cache});
      next_tokens.insert(next_tokens.end(), begin,
                         begin + static_cast<std::ptrdiff_t>(count));
      ready.push_back(count == sequence->pending() ? sequence.get() : nullptr);
    }
    return ready;
  }

  void choose(ActiveSequence& sequence, std::span<const float> of) const {
    try {
      OutputWriter& writer = sequence.writer;
      const Choice choice = sequence.sampler.choose(
          known_logits(of, tokenizer), sequence.tokens,
          sequence.asked.prompt.size(), sequence.asked.options.top);
      std::string text = writer.add(choice);
      if (!writer.finished() &&
          static_cast<int64_t>(sequence.tokens.size()) == capacity)
        text += writer.finish(StopReason::length);
      if (sequence.asked.on_token && !sequence.asked.on_token(choice, text) &&
          !writer.finished())
        writer.finish(StopReason::length);
      sequence.tokens.push_back(choice.id);
    } catch (...) {
      sequence.error = std::current_exception();
    }
  }

  // Few shapes, since products are compiled for each.
  int64_t logit_rows() const {
    const int64_t all = rows.view().rows;
    return mode == BatchMode::offline
               ? all
               : std::min(all,
                          static_cast<int64_t>(std::bit_ceil(spans.size())));
  }

  void leave(ActiveSequence& sequence) {
    Slot& slot = sequence.slot;
    sequence.tokens.resize(static_cast<size_t>(slot.kv_cache.length()));
    slot.tokens = std::move(sequence.tokens);
    free.push_back(&slot);
    sequence.asked.done(std::move(sequence.writer.result()), sequence.error);
  }

  const ModelConfig& config;
  const Tokenizer& tokenizer;
  int64_t capacity;
  BatchMode mode;
  int64_t max_tokens;  // in one forward
  Decoder decoder;
  OwnedTensor rows, logits;
  std::vector<Slot> slots;
  std::vector<Slot*> free;
  std::vector<std::unique_ptr<ActiveSequence>> active;
  std::vector<int32_t> next_tokens;
  std::vector<SequenceSpan> spans;
};

BatchRunner::BatchRunner(const ModelConfig& config, const Weights& weights,
                         const Tokenizer& tokenizer, int64_t capacity,
                         int32_t batch_size, BatchMode mode)
    : state_(std::make_unique<State>(config, weights, tokenizer, capacity,
                                     batch_size, mode)) {}
BatchRunner::~BatchRunner() = default;

bool BatchRunner::has_room() const { return !state_->free.empty(); }
bool BatchRunner::is_idle() const { return state_->active.empty(); }
int64_t BatchRunner::capacity() const { return state_->capacity; }

void BatchRunner::admit(BatchSequence sequence) {
  State& s = *state_;
  check_generation(sequence.options, sequence.prompt, s.capacity);
  Slot& slot = s.take_slot(sequence.prompt);
  s.active.push_back(
      std::make_unique<ActiveSequence>(std::move(sequence), s.tokenizer, slot));
}

void BatchRunner::step() {
  State& s = *state_;
  const std::vector<ActiveSequence*> ready = s.place();
  const Tensor hidden = s.decoder.forward(s.next_tokens, s.spans);
  for (size_t i = 0; i < s.spans.size(); ++i)
    std::memcpy(
        s.rows.view().rows_from(static_cast<int64_t>(i), 1).data,
        hidden.rows_from(s.spans[i].begin + s.spans[i].length - 1, 1).data,
        static_cast<size_t>(hidden.cols) * size_of(hidden.dtype));
  const int64_t rows = s.logit_rows();
  s.decoder.logits(s.logits.view().rows_from(0, rows),
                   s.rows.view().rows_from(0, rows));
  parallel_items(std::ssize(ready), [&](int64_t i) {
    if (ActiveSequence* sequence = ready[static_cast<size_t>(i)])
      s.choose(*sequence, {s.logits.view().row<float>(i),
                           static_cast<size_t>(s.logits.view().cols)});
  });
  std::erase_if(s.active, [&](const auto& sequence) {
    if (!sequence->writer.finished() && !sequence->error) return false;
    s.leave(*sequence);
    return true;
  });
}

void BatchRunner::fail(const std::exception_ptr& error) {
  for (const auto& sequence : state_->active) {
    sequence->error = error;
    state_->leave(*sequence);
  }
  state_->active.clear();
}

}  // namespace seodang
