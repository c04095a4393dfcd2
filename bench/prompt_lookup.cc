// Writing a text that copies from its prompt, timed with drafts from the prompt
// and without (generate/speculative_session.h). What is written is given, so
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
#include "generate/generation.h"
#include "generate/language_model.h"
#include "generate/speculative_session.h"
#include "kernels/processor.h"

namespace {

using namespace seodang;
using Clock = std::chrono::steady_clock;

struct Writing {
  double seconds = 0;
  int64_t accepted = 0;
};

Writing write(Session& session, std::span<const int32_t> prompt,
              std::span<const int32_t> output, int64_t most) {
  SpeculativeSession sequence(session, most);
  sequence.read(prompt);
  const auto begin = Clock::now();
  for (const int32_t token : output) sequence.append(token);
  return {std::chrono::duration<double>(Clock::now() - begin).count(),
          sequence.accepted()};
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
  const Writing with =
      write(session, prompt, output, GenerateOptions().prompt_lookup);
  const nlohmann::ordered_json out = {
      {"prompt_tokens", prompt.size()},
      {"tokens", output.size()},
      {"tokens_per_second", rate(without)},
      {"with_lookup", rate(with)},
      {"ratio", rate(with) / rate(without)},
      {"tokens_per_forward",
       static_cast<double>(output.size()) /
           static_cast<double>(std::ssize(output) - with.accepted)},
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
