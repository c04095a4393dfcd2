// How work goes on beside other programs: writing tokens and training steps,
// with all threads and with one, beside no, one and three busy processes, which
// this program starts itself. Prints a table.
//   build/bench/contention [MODEL] [THREADS]
// Without a MODEL (a Hugging Face directory or .gguf) writing is measured on
// random weights in the shape of the demo's model. Training is always that.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "generate/language_model.h"
#include "generate/session.h"
#include "kernels/matmul.h"
#include "kernels/processor.h"
#include "train/optimizer.h"

namespace {

using namespace seodang;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;
constexpr double kSeconds = 1;  // of each measurement

ModelConfig demo_shape() {
  ModelConfig c = config_of_size(model_size("demo"), 8192);
  c.max_position_embeddings = 512;
  return c;
}

// Processes that do nothing but compute, while this object lives.
class Competitors {
 public:
  explicit Competitors(int count) {
    for (int i = 0; i < count; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile uint64_t n = 0;;) n = n + 1;
      }
      if (pid > 0) pids_.push_back(pid);
    }
  }
  ~Competitors() {
    for (const pid_t pid : pids_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  Competitors(const Competitors&) = delete;
  Competitors& operator=(const Competitors&) = delete;

 private:
  std::vector<pid_t> pids_;
};

// Calls work() for a second or more; what it returns (tokens), per second.
template <class Work>
double per_second(Work&& work) {
  work();  // what the number of threads needs is prepared
  const auto begin = Clock::now();
  double tokens = 0, seconds = 0;
  while (seconds < kSeconds) {
    tokens += work();
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return tokens / seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// With one thread and with all, turn by turn, so that both have the same luck.
template <class Work>
void measure(const char* name, int threads, Work&& work) {
  double undisturbed = 0;
  for (const int busy : {0, 1, 3}) {
    const Competitors competitors(busy);
    std::vector<double> one, all;
    for (int i = 0; i < kRounds; ++i) {
      set_num_threads(1);
      one.push_back(per_second(work));
      set_num_threads(threads);
      all.push_back(per_second(work));
    }
    if (busy == 0) undisturbed = median(all);
    fmt::print("{:<10}{:>6}{:>12.1f}{:>12.1f}{:>14.0f}%{:>14.0f}%\n", name,
               busy, median(one), median(all), 100 * median(all) / median(one),
               100 * median(all) / undisturbed);
    std::fflush(stdout);
  }
}

void measure_writing(const ModelConfig& config, const Weights& weights,
                     int threads) {
  const int64_t context = std::min<int64_t>(512, config.context_length());
  Session session(config, weights, context);
  int32_t next = 0;
  int64_t length = 0;
  measure("write", threads, [&] {
    if (length == context) length = 0;
    const auto logits = length++ == 0
                            ? session.read(std::vector<int32_t>{next % 1000})
                            : session.append(next);
    next = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                                logits.begin());
    return 1.0;
  });
}

void measure_training(int threads) {
  constexpr int32_t kTokens = 2048, kLength = 256;
  const ModelConfig config = demo_shape();
  Optimizer optimizer(Model::random(config, 1, Dtype::f32),
                      fastest_product_dtype());
  Decoder decoder(config, optimizer.weights(), kTokens, Keep::all);
  Batch batch;
  Rng rng(2);
  for (int32_t i = 0; i < kTokens; ++i) {
    batch.tokens.push_back(static_cast<int32_t>(rng.below(8192)));
    batch.targets.push_back(static_cast<int32_t>(rng.below(8192)));
    if (i % kLength == 0) batch.spans.push_back({i, kLength});
  }
  AdamW adamw;
  adamw.learning_rate = 3e-4f;
  int64_t steps = 0;
  measure("train", threads, [&] {
    decoder.accumulate_gradients(batch, optimizer.gradients(), 1.0f / kTokens);
    optimizer.step(++steps, adamw);
    return double{kTokens};
  });
}

void run(const char* path, int threads) {
  limit_isa();
  set_num_threads(threads);
  fmt::print("{}\n\n{:<10}{:>6}{:>12}{:>12}{:>15}{:>15}\n",
             describe_processor(), "tokens/s", "busy", "one thread",
             fmt::format("{} threads", num_threads()), "of one thread",
             "of undisturbed");
  threads = num_threads();
  if (path != nullptr) {
    const LanguageModel model = LanguageModel::load(path);
    measure_writing(model.config(), model.weights(), threads);
  } else {
    const ModelConfig config = demo_shape();
    const Model model = Model::random(config, 1, fastest_product_dtype());
    measure_writing(config, model.weights(), threads);
  }
  measure_training(threads);
}

}  // namespace

int main(int argc, char** argv) {
  const bool number = argc == 2 && std::atoi(argv[1]) > 0;
  if (argc > 3 || (argc > 1 && argv[1][0] == '-')) {
    fmt::print(stderr, "contention [MODEL] [THREADS]\n");
    return 2;
  }
  try {
    run(argc > 1 && !number ? argv[1] : nullptr,
        argc > 1 ? std::atoi(argv[argc - 1]) : 0);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
