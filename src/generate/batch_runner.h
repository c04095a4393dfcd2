// Sequences that are continued together: one forward a step computes a token
// of each, and chunks of prompts that are still being read.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "generate/generation.h"
#include "model/decoder.h"

namespace seodang {

struct BatchSequence {
  std::vector<int32_t> prompt;
  GenerateOptions options = {};
  uint64_t stream = 0;  // of the sampler
  // As in generate(); called from any thread, one call at a time.
  OnToken on_token = {};
  // Asked before a chunk of its prompt is read: false when nobody waits for it
  // any more, and it leaves (as StopReason::length).
  std::function<bool()> is_wanted = {};
  // Called once, by the thread that calls step(): the result, or what went
  // wrong.
  std::function<void(Generation, std::exception_ptr)> done;
};

// offline: as many rows as there are go through one product, which is fastest.
// online: a result does not depend on who else is there. Prompts are read in
// chunks that begin at multiples of kPrefillChunk, one chunk's tokens a step.
// Where all weights are in blocks, whose products compute each row by itself,
// several short prompts share a step with the tokens of those who are being
// answered; oneDNN's products of different shapes round differently, so else a
// prompt is read alone and tokens are continued a few at a time
// (kernels/matvec.h).
// Whole chunks that a prompt has in common with an earlier one are not read
// again.
enum class BatchMode { offline, online };
constexpr size_t kPrefillChunk = 128;

class BatchRunner {
 public:
  // Up to `batch_size` sequences at once, of up to `capacity` tokens each. All
  // that is given must outlive it. kv_cache_dtype: as for a Session.
  BatchRunner(const ModelConfig& config, const Weights& weights,
              const Tokenizer& tokenizer, int64_t capacity, int32_t batch_size,
              BatchMode mode, std::optional<Dtype> kv_cache_dtype = {});
  ~BatchRunner();

  bool has_room() const;
  bool is_idle() const;  // no sequence is active
  int64_t capacity() const;
  // Joins with the next step. Throws Error for a prompt that is empty or does
  // not fit, and for options that are out of range.
  void admit(BatchSequence sequence);
  // Sequences get a token each, or chunks of their prompts are read. Those that
  // are finished leave.
  void step();
  // All that are active leave with this error.
  void fail(const std::exception_ptr& error);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seodang
