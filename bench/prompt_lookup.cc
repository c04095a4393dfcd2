// Writing a text that copies from its prompt, timed with guesses from the
// prompt and without (generate/prompt_lookup.h). What is written is given, so
// that any model shows what the text is worth: it computes everything, and each
// token is then taken from OUTPUT. Prints JSON.
//   build/bench/prompt_lookup MODEL PROMPT_FILE OUTPUT_FILE [THREADS]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/files.h"
#include "base/threads.h"
#include "generate/language_model.h"
#include "generate/prompt_lookup.h"
#include "generate/session.h"
#include "kernels/processor.h"

namespace {

using namespace seodang;
using Clock = std::chrono::steady_clock;

struct Writing {
  double seconds = 0;
  int64_t forwards = 0;
};

Writing write(Session& session, std::span<const int32_t> prompt,
              std::span<const int32_t> output, int64_t most) {
  session.read(prompt);
  PromptLookup lookup(std::min(most, session.exact_appends() - 1));
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  Writing out;
  const auto begin = Clock::now();
  for (size_t i = 0; i < output.size();) {
    tokens.push_back(output[i++]);
    std::vector<int32_t> next = {tokens.back()};
    for (const int32_t token : lookup.guess(tokens)) next.push_back(token);
    session.append(next);
    size_t right = 0;
    while (right + 1 < next.size() && i < output.size() &&
           next[right + 1] == output[i]) {
      tokens.push_back(output[i++]);
      ++right;
    }
    lookup.was_right(static_cast<int64_t>(right));
    session.truncate(tokens.size());
    ++out.forwards;
  }
  out.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return out;
}

void run(char** arguments) {
  const LanguageModel model = LanguageModel::load(arguments[1]);
  const std::vector<int32_t> prompt =
      model.encode_text(read_file(arguments[2]));
  const std::vector<int32_t> output =
      model.encode_text(read_file(arguments[3]));
  Session session(
      model.config(), model.weights(),
      std::ssize(prompt) + std::ssize(output) + Session::kMostAppended);
  const auto rate = [&](const Writing& writing) {
    return static_cast<double>(output.size()) / writing.seconds;
  };
  const Writing without = write(session, prompt, output, 0);
  const Writing with = write(session, prompt, output, 15);
  const nlohmann::ordered_json out = {
      {"prompt_tokens", prompt.size()},
      {"tokens", output.size()},
      {"tokens_per_second", rate(without)},
      {"with_lookup", rate(with)},
      {"ratio", rate(with) / rate(without)},
      {"tokens_per_forward",
       static_cast<double>(output.size()) / static_cast<double>(with.forwards)},
      {"processor", describe_processor()}};
  fmt::print("{}\n", out.dump());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5 || argv[1][0] == '-') {
    fmt::print(stderr,
               "prompt_lookup MODEL PROMPT_FILE OUTPUT_FILE [THREADS]\n");
    return 2;
  }
  set_num_threads(argc > 4 ? std::atoi(argv[4]) : 0);
  try {
    limit_isa();
    run(argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
