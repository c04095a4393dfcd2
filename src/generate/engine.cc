#include "generate/engine.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "generate/output.h"
#include "generate/session.h"

namespace seodang {
struct Engine::State {
  struct ModelQueue {
    ModelQueue(const LanguageModel& model, const EngineLimits& limits)
        : runner(model.config(), model.weights(), model.tokenizer(),
                 usual_context(model.config(), limits.context), limits.sessions,
                 BatchMode::online, limits.kv_cache_dtype) {}

    BatchRunner runner;  // the engine's thread's alone
    std::deque<BatchSequence> waiting;
    EngineCounts counts;
  };

  State(std::span<const LanguageModel* const> models,
        const EngineLimits& its_limits)
      : limits(its_limits) {
    for (const LanguageModel* model : models)
      queues.push_back(std::make_unique<ModelQueue>(*model, limits));
    thread = std::thread([this] { run(); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    work.notify_all();
    thread.join();
  }

  bool has_work() const {
    for (const auto& queue : queues)
      if (!queue->waiting.empty() || !queue->runner.is_idle()) return true;
    return false;
  }

  void run() {
    for (;;) {
      {
        std::unique_lock lock(mutex);
        work.wait(lock, [&] { return stopping || has_work(); });
        if (stopping) break;
      }
      for (const auto& queue : queues) {
        admit_waiting(*queue);
        if (!queue->runner.is_idle()) step(*queue);
      }
    }
    const auto error =
        std::make_exception_ptr(Error("the server is shutting down"));
    for (const auto& queue : queues) {
      queue->runner.fail(error);
      for (BatchSequence& sequence : queue->waiting) sequence.done({}, error);
    }
  }

  void admit_waiting(ModelQueue& queue) {
    while (queue.runner.has_room()) {
      BatchSequence next;
      {
        const std::lock_guard lock(mutex);
        if (queue.waiting.empty()) return;
        next = std::move(queue.waiting.front());
        queue.waiting.pop_front();
        ++queue.counts.active;
      }
      next.done = [this, &queue, done = std::move(next.done)](
                      Generation generation, const std::exception_ptr& error) {
        {
          const std::lock_guard lock(mutex);
          --queue.counts.active;
          queue.counts.prompt_tokens +=
              static_cast<uint64_t>(generation.prompt_tokens);
          queue.counts.generated_tokens += generation.tokens.size();
        }
        done(std::move(generation), error);
      };
      queue.runner.admit(std::move(next));  // checked by submit()
    }
  }

  static void step(ModelQueue& queue) {
    try {
      queue.runner.step();
    } catch (...) {
      queue.runner.fail(std::current_exception());
    }
  }

  EngineLimits limits;
  std::vector<std::unique_ptr<ModelQueue>> queues;
  mutable std::mutex mutex;  // of what waits, counts and `stopping`
  std::condition_variable work;
  bool stopping = false;
  std::thread thread;
};

Engine::Engine(std::span<const LanguageModel* const> models,
               const EngineLimits& limits)
    : state_(std::make_unique<State>(models, limits)) {}
Engine::~Engine() = default;

bool Engine::submit(size_t model, BatchSequence sequence) {
  State::ModelQueue& queue = *state_->queues.at(model);
  check_generation(sequence.options, sequence.prompt, queue.runner.capacity());
  {
    const std::lock_guard lock(state_->mutex);
    if (queue.waiting.size() >= state_->limits.queue) return false;
    queue.waiting.push_back(std::move(sequence));
  }
  state_->work.notify_one();
  return true;
}

int64_t Engine::context(size_t model) const {
  return state_->queues.at(model)->runner.capacity();
}

EngineCounts Engine::counts(size_t model) const {
  const std::lock_guard lock(state_->mutex);
  const State::ModelQueue& queue = *state_->queues.at(model);
  EngineCounts out = queue.counts;
  out.waiting = queue.waiting.size();
  return out;
}

}  // namespace seodang
