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
namespace {

int64_t context_of(const LanguageModel& model, const EngineLimits& limits) {
  const int64_t most = model.config().context_length();
  return limits.context > 0 ? std::min(limits.context, most)
                            : usual_context(model.config());
}

}  // namespace

struct Engine::State {
  struct Lane {
    Lane(const LanguageModel& model, const EngineLimits& limits)
        : runner(model.config(), model.weights(), model.tokenizer(),
                 context_of(model, limits), limits.sessions,
                 BatchMode::online) {}

    BatchRunner runner;  // the engine's thread's alone
    std::deque<BatchSequence> waiting;
    EngineCounts counts;
  };

  State(std::span<const LanguageModel* const> models,
        const EngineLimits& its_limits)
      : limits(its_limits) {
    for (const LanguageModel* model : models)
      lanes.push_back(std::make_unique<Lane>(*model, limits));
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
    for (const auto& lane : lanes)
      if (!lane->waiting.empty() || !lane->runner.is_idle()) return true;
    return false;
  }

  void run() {
    for (;;) {
      {
        std::unique_lock lock(mutex);
        work.wait(lock, [&] { return stopping || has_work(); });
        if (stopping) break;
      }
      for (const auto& lane : lanes) {
        take_in(*lane);
        if (!lane->runner.is_idle()) step(*lane);
      }
    }
    const auto error =
        std::make_exception_ptr(Error("the server is shutting down"));
    for (const auto& lane : lanes) {
      lane->runner.fail(error);
      for (BatchSequence& sequence : lane->waiting) sequence.done({}, error);
    }
  }

  void take_in(Lane& lane) {
    while (lane.runner.has_room()) {
      BatchSequence next;
      {
        const std::lock_guard lock(mutex);
        if (lane.waiting.empty()) return;
        next = std::move(lane.waiting.front());
        lane.waiting.pop_front();
        ++lane.counts.active;
      }
      next.done = [this, &lane, done = std::move(next.done)](
                      Generation generation, const std::exception_ptr& error) {
        {
          const std::lock_guard lock(mutex);
          --lane.counts.active;
          lane.counts.prompt_tokens +=
              static_cast<uint64_t>(generation.prompt_tokens);
          lane.counts.generated_tokens += generation.tokens.size();
        }
        done(std::move(generation), error);
      };
      lane.runner.admit(std::move(next));  // checked by submit()
    }
  }

  static void step(Lane& lane) {
    try {
      lane.runner.step();
    } catch (...) {
      lane.runner.fail(std::current_exception());
    }
  }

  EngineLimits limits;
  std::vector<std::unique_ptr<Lane>> lanes;
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
  State::Lane& lane = *state_->lanes.at(model);
  check_generation(sequence.options, sequence.prompt, lane.runner.capacity());
  {
    const std::lock_guard lock(state_->mutex);
    if (lane.waiting.size() >= state_->limits.queue) return false;
    lane.waiting.push_back(std::move(sequence));
  }
  state_->work.notify_one();
  return true;
}

int64_t Engine::context(size_t model) const {
  return state_->lanes.at(model)->runner.capacity();
}

EngineCounts Engine::counts(size_t model) const {
  const std::lock_guard lock(state_->mutex);
  const State::Lane& lane = *state_->lanes.at(model);
  EngineCounts out = lane.counts;
  out.waiting = lane.waiting.size();
  return out;
}

}  // namespace seodang
