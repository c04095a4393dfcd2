// Reading a prompt and writing on, timed, on random tokens. Prints JSON. Beside
// bench/generate.mjs, which is the same through llama.cpp.
//   build/bench/generate MODEL [THREADS]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "generate/language_model.h"
#include "generate/session.h"
#include "kernels/matmul.h"
#include "kernels/processor.h"

namespace {

using namespace seodang;
using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 3;
constexpr int32_t kContext = 2048, kNewTokens = 64;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Bytes a second at which all threads together read memory that no cache holds.
double measure_read_bandwidth() {
  constexpr int64_t kNumbers = int64_t{1} << 26;  // 512 MB
  const Buffer buffer(kNumbers * sizeof(uint64_t));
  const uint64_t* numbers = buffer.as<uint64_t>();
  std::vector<uint64_t> totals(static_cast<size_t>(kNumbers >> 12));
  double best = 0;
  for (int i = 0; i < 10; ++i) {
    const auto begin = Clock::now();
    parallel_ranges(kNumbers >> 12, [&](int64_t first, int64_t last) {
      for (int64_t page = first; page < last; ++page) {
        uint64_t total = 0;
        for (int64_t n = page << 12; n < (page + 1) << 12; ++n)
          total += numbers[n];
        totals[static_cast<size_t>(page)] = total;
      }
    });
    best = std::max(best, kNumbers * sizeof(uint64_t) / seconds_since(begin));
  }
  for (const uint64_t total : totals)
    if (total != 0) throw std::logic_error("zeros add up to nothing");
  return best;
}

// Operations that reading `tokens` tokens takes: logits of the last one only,
// attention to what stands before each.
double prefill_flops(const ModelConfig& config, double tokens) {
  const double head = double{1} * config.hidden_size * config.vocab_size;
  const double body = static_cast<double>(config.num_product_parameters());
  const double width = double{1} * config.num_attention_heads * config.head_dim;
  return 2 * (body - head) * tokens + 2 * head +
         2 * config.num_hidden_layers * width * tokens * tokens;
}

// Bytes of weights that writing one token reads: all but an embedding of which
// it takes one row.
double weight_bytes(const LanguageModel& model) {
  size_t bytes = 0;
  const Weights& weights = model.weights();
  for (const NamedTensor& weight : named_weights(model.config(), weights))
    if (weight.tensor.data != weights.embed_tokens.data)
      bytes += bytes_of(weight.tensor.dtype, weight.tensor.size());
  if (model.config().tie_word_embeddings)
    bytes += bytes_of(weights.lm_head.dtype, weights.lm_head.size());
  return static_cast<double>(bytes);
}

class Runner {
 public:
  explicit Runner(const LanguageModel& model)
      : vocab_size_(static_cast<uint64_t>(model.config().vocab_size)),
        session_(model.config(), model.weights(), kContext) {}

  // The median of tokens a second; the first time warms up.
  double prefill(size_t tokens) {
    std::vector<double> seconds;
    for (int i = 0; i <= kRepeats; ++i) {
      // No two prompts begin alike, so nothing is in the cache.
      std::vector<int32_t> prompt = {static_cast<int32_t>(++prompts_)};
      while (prompt.size() < tokens)
        prompt.push_back(static_cast<int32_t>(rng_.below(vocab_size_)));
      const auto begin = Clock::now();
      next_ = most_likely(session_.read(prompt));
      if (i > 0) seconds.push_back(seconds_since(begin));
    }
    std::sort(seconds.begin(), seconds.end());
    return static_cast<double>(tokens) / seconds[seconds.size() / 2];
  }

  // Tokens a second, greedily, behind what was read last.
  double decode() {
    next_ = most_likely(session_.append(next_));
    const auto begin = Clock::now();
    for (int32_t i = 0; i < kNewTokens; ++i)
      next_ = most_likely(session_.append(next_));
    return kNewTokens / seconds_since(begin);
  }

 private:
  static int32_t most_likely(std::span<const float> logits) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                                logits.begin());
  }

  uint64_t vocab_size_;
  Session session_;
  Rng rng_{1};
  int32_t prompts_ = 0, next_ = 0;
};

void run(const char* path) {
  const auto begin = Clock::now();
  const LanguageModel model = LanguageModel::load(path);
  Runner runner(model);
  const double load_seconds = seconds_since(begin);
  const double prefill_1024 = runner.prefill(1024);
  const double prefill_128 = runner.prefill(128);
  const double decode = runner.decode();
  const double peak = measure_product_peak(model.dtype());
  const double bandwidth = measure_read_bandwidth();
  const auto share = [&](double tokens_per_second, double tokens) {
    return tokens_per_second / tokens * prefill_flops(model.config(), tokens) /
           peak;
  };
  const nlohmann::ordered_json out = {
      {"load_seconds", load_seconds},
      {"prefill_128", prefill_128},
      {"prefill_128_share", share(prefill_128, 128)},
      {"prefill_1024", prefill_1024},
      {"prefill_1024_share", share(prefill_1024, 1024)},
      {"decode", decode},
      {"decode_share", decode * weight_bytes(model) / bandwidth},
      {"peak_gflops", peak / 1e9},
      {"bandwidth_gb", bandwidth / 1e9},
      {"dtype", name_of(model.dtype())},
      {"processor", describe_processor()}};
  fmt::print("{}\n", out.dump());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || argv[1][0] == '-') {
    fmt::print(stderr, "generate MODEL [THREADS]\n");
    return 2;
  }
  set_num_threads(argc > 2 ? std::atoi(argv[2]) : 0);
  try {
    limit_isa();
    run(argv[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
