// Texts to token ids, timed: `tokenizer DIRECTORY FILE [THREADS]`. Each line of
// the file is a text. Prints one JSON object; bench/tokenizer.sh runs it in
// turns with Hugging Face's tokenizers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/threads.h"
#include "tokenizer/tokenizer.h"

int main(int argc, char** argv) {
  using namespace seodang;
  if (argc < 3) {
    fmt::print(stderr, "usage: tokenizer DIRECTORY FILE [THREADS]\n");
    return 2;
  }
  try {
    set_num_threads(argc > 3 ? std::stoi(argv[3]) : 1);
    const Tokenizer tokenizer = Tokenizer::load(argv[1]);
    const std::string file = read_file(argv[2]);
    std::vector<std::string_view> texts;
    for (size_t at = 0; at < file.size();) {
      const size_t end = std::min(file.find('\n', at), file.size());
      texts.push_back(std::string_view(file).substr(at, end - at));
      at = end + 1;
    }
    std::vector<std::vector<int32_t>> ids(texts.size());
    constexpr int kRounds = 5;
    std::vector<double> seconds;
    for (int round = 0; round < kRounds; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      // In runs of texts, as a corpus is prepared.
      constexpr int64_t kRun = 64;
      const auto count = static_cast<int64_t>(texts.size());
      parallel_items((count + kRun - 1) / kRun, [&](int64_t run) {
        const int64_t end = std::min(count, (run + 1) * kRun);
        for (int64_t i = run * kRun; i < end; ++i)
          ids[static_cast<size_t>(i)] =
              tokenizer.encode(texts[static_cast<size_t>(i)]);
      });
      seconds.push_back(std::chrono::duration<double>(
                            std::chrono::steady_clock::now() - begin)
                            .count());
    }
    // To be compared: FNV-1a of all ids in order.
    uint64_t hash = 14695981039346656037ull;
    int64_t tokens = 0;
    for (const auto& text : ids)
      for (const int32_t id : text) {
        hash = (hash ^ static_cast<uint64_t>(id)) * 1099511628211ull;
        ++tokens;
      }
    const double megabytes = static_cast<double>(file.size()) / 1e6;
    std::ranges::sort(seconds);
    fmt::print(
        "{{\"megabytes_per_second\": {:.1f}, \"tokens\": {}, \"hash\": "
        "\"{:08x}\"}}\n",
        megabytes / seconds[seconds.size() / 2], tokens, hash & 0xffffffff);
  } catch (const Error& error) {
    fmt::print(stderr, "tokenizer: {}\n", error.what());
    return 1;
  }
}
