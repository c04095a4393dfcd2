// Models at work for many clients: sequences join and leave between forwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "generate/batch_runner.h"
#include "generate/language_model.h"

namespace seodang {

struct EngineLimits {
  int64_t context = 0;   // tokens of one sequence; 0: usual_context()
  int32_t sessions = 4;  // sequences at once, of each model
  size_t queue = 64;     // sequences that wait, of each model
  std::optional<Dtype> kv_cache_dtype = {};  // as for a Session
};

struct EngineCounts {
  size_t active = 0, waiting = 0;
  uint64_t prompt_tokens = 0, generated_tokens = 0;
};

class Engine {
 public:
  // The models must outlive it. One thread of its own takes turns with them.
  Engine(std::span<const LanguageModel* const> models,
         const EngineLimits& limits);
  // Those that are active or wait are done, with an Error.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The sequence waits for its turn, in the order of calls; what it calls is
  // called by other threads. False when the queue is full. Throws Error for a
  // prompt that is empty or too long, and for options that are out of range.
  bool submit(size_t model, BatchSequence sequence);

  int64_t context(size_t model) const;
  EngineCounts counts(size_t model) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seodang
