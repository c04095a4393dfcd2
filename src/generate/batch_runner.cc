#include "generate/batch_runner.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/threads.h"
#include "generate/batch_invariance.h"
#include "generate/output.h"
#include "generate/session.h"
#include "kernels/matvec.h"

namespace seodang {
namespace {

// A cache, and while no sequence has it the whole chunks that are in it.
struct Slot {
  KvCache kv_cache;
  std::vector<int32_t> tokens;
};

size_t whole_chunks(size_t tokens) {
  return tokens / kPrefillChunk * kPrefillChunk;
}

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

  // Its prompt is not read through.
  bool is_prefilling() const {
    return static_cast<size_t>(slot.kv_cache.length()) < asked.prompt.size();
  }
  bool is_over() const { return writer.finished() || error; }

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
        BatchMode its_mode, Dtype kv_cache_dtype)
      : config(model_config),
        tokenizer(its_tokenizer),
        capacity(tokens),
        mode(its_mode),
        batch_invariant(batch_size + int64_t{kPrefillChunk} <=
                        batch_invariant_rows(weights)),
        max_tokens(std::max<int64_t>(Session::kMaxStep,
                                     batch_size + int64_t{kPrefillChunk})),
        decoder(config, weights, max_tokens),
        rows(weights.act(), batch_size, config.hidden_size),
        logits(Dtype::f32, batch_size, config.vocab_size) {
    slots.reserve(static_cast<size_t>(batch_size));
    for (int32_t i = 0; i < batch_size; ++i)
      slots.push_back({KvCache(config, capacity, kv_cache_dtype), {}});
    for (size_t i = slots.size(); i-- > 0;) free.push_back(&slots[i]);
  }

  // Of the free slots the one that has most of the prompt already.
  Slot& take_slot(std::span<const int32_t> prompt) {
    auto best = free.end() - 1;
    size_t shared = 0;
    for (auto slot = free.begin(); slot != free.end(); ++slot)
      if (const size_t common = common_prefix((*slot)->tokens, prompt);
          common > shared) {
        shared = common;
        best = slot;
      }
    Slot& slot = **best;
    free.erase(best);
    // The last token is always computed: its logits are wanted.
    shared = whole_chunks(std::min(shared, prompt.size() - 1));
    slot.kv_cache.truncate(static_cast<int64_t>(shared));
    return slot;
  }

  // `count` more tokens of a sequence go into the next forward.
  void place(ActiveSequence& sequence, size_t count) {
    KvCache& cache = sequence.slot.kv_cache;
    const auto begin = sequence.tokens.begin() + cache.length();
    spans.push_back({static_cast<int32_t>(next_tokens.size()),
                     static_cast<int32_t>(count), &cache});
    next_tokens.insert(next_tokens.end(), begin,
                       begin + static_cast<std::ptrdiff_t>(count));
    placed.push_back(&sequence);
  }

  void step_offline() {
    // One token for everyone first; what is left of the step reads prompts.
    size_t spare = static_cast<size_t>(max_tokens) - active.size();
    for (const auto& sequence : active) {
      const size_t count = std::min(sequence->pending(), 1 + spare);
      spare -= count - 1;
      place(*sequence, count);
    }
    // Always as many rows: products are compiled for each shape.
    forward(rows.view().rows);
  }

  void step_online() {
    size_t reading = 0;  // tokens of prompts
    for (const auto& sequence : active) {
      if (!sequence->is_prefilling()) continue;
      if (sequence->asked.is_wanted && !sequence->asked.is_wanted()) {
        sequence->writer.finish(StopReason::length);
        continue;
      }
      const size_t to_boundary =
          kPrefillChunk -
          static_cast<size_t>(sequence->slot.kv_cache.length()) % kPrefillChunk;
      const size_t count = std::min(sequence->pending(), to_boundary);
      if (reading > 0 && reading + count > kPrefillChunk) continue;
      reading += count;
      place(*sequence, count);
      if (!batch_invariant) break;
    }
    if (!batch_invariant && reading > 0) forward(1);
    for (const auto& sequence : active) {
      if (sequence->is_prefilling() || sequence->is_over()) continue;
      place(*sequence, 1);
      if (!batch_invariant && std::ssize(placed) == kMatvecRows)
        forward(kMatvecRows);
    }
    if (!placed.empty()) forward(std::ssize(placed));
  }

  // Of what was placed; those whose prompt is read through get a token.
  void forward(int64_t logit_rows) {
    const Tensor hidden = decoder.forward(next_tokens, spans);
    for (size_t i = 0; i < spans.size(); ++i)
      std::memcpy(
          rows.view().rows_from(static_cast<int64_t>(i), 1).data,
          hidden.rows_from(spans[i].begin + spans[i].length - 1, 1).data,
          static_cast<size_t>(hidden.cols) * size_of(hidden.dtype));
    const bool any = std::ranges::any_of(
        placed, [](const auto* sequence) { return sequence->pending() == 0; });
    if (any)
      decoder.logits(logits.view().rows_from(0, logit_rows),
                     rows.view().rows_from(0, logit_rows));
    parallel_items(std::ssize(placed), [&](int64_t i) {
      ActiveSequence& sequence = *placed[static_cast<size_t>(i)];
      if (sequence.pending() == 0)
        choose(sequence, {logits.view().row<float>(i),
                          static_cast<size_t>(logits.view().cols)});
    });
    next_tokens.clear();
    spans.clear();
    placed.clear();
  }

  void choose(ActiveSequence& sequence, std::span<const float> of) const {
    try {
      OutputWriter& writer = sequence.writer;
      const Choice choice =
          sequence.sampler.choose(known_logits(of, tokenizer), sequence.tokens,
                                  sequence.asked.prompt.size(),
                                  sequence.asked.options.top, writer.allowed());
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

  void leave(ActiveSequence& sequence) {
    Slot& slot = sequence.slot;
    slot.tokens.clear();
    if (mode == BatchMode::online) {
      slot.tokens = std::move(sequence.asked.prompt);
      slot.tokens.resize(whole_chunks(std::min(
          slot.tokens.size(), static_cast<size_t>(slot.kv_cache.length()))));
    }
    free.push_back(&slot);
    sequence.asked.done(std::move(sequence.writer.result()), sequence.error);
  }

  const ModelConfig& config;
  const Tokenizer& tokenizer;
  int64_t capacity;
  BatchMode mode;
  bool batch_invariant;
  int64_t max_tokens;  // in one forward
  Decoder decoder;
  OwnedTensor rows, logits;
  std::vector<Slot> slots;
  std::vector<Slot*> free;
  std::vector<std::unique_ptr<ActiveSequence>> active;
  // Of the next forward.
  std::vector<int32_t> next_tokens;
  std::vector<SequenceSpan> spans;
  std::vector<ActiveSequence*> placed;
};

BatchRunner::BatchRunner(const ModelConfig& config, const Weights& weights,
                         const Tokenizer& tokenizer, int64_t capacity,
                         int32_t batch_size, BatchMode mode,
                         std::optional<Dtype> kv_cache_dtype)
    : state_(std::make_unique<State>(config, weights, tokenizer, capacity,
                                     batch_size, mode,
                                     kv_cache_dtype.value_or(weights.act()))) {}
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
  s.mode == BatchMode::offline ? s.step_offline() : s.step_online();
  std::erase_if(s.active, [&](const auto& sequence) {
    if (!sequence->is_over()) return false;
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
  state_->next_tokens.clear();  // of a forward that failed
  state_->spans.clear();
  state_->placed.clear();
}

}  // namespace seodang
