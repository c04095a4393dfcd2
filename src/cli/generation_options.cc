#include "cli/generation_options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"

namespace seodang {

void add_generation_options(CLI::App* command, GenerateOptions& options) {
  SamplerOptions& sampler = options.sampler;
  command
      ->add_option("--max-tokens", options.max_new_tokens,
                   "Most tokens to generate")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--temperature", sampler.temperature,
                   "0 takes the most probable token; 1 draws as the model "
                   "says")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command
      ->add_option("--top-k", sampler.top_k,
                   "Draw among the k most probable tokens (0: all)")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--top-p", sampler.top_p,
                   "Draw among the fewest tokens whose probability reaches p")
      ->check(CLI::Range(1e-6, 1.0))
      ->capture_default_str();
  command
      ->add_option("--min-p", sampler.min_p,
                   "Draw among tokens at least p times as probable as the best")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--repetition-penalty", sampler.repetition_penalty,
                   "Above 1 makes tokens that occurred less probable")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  command->add_option("--seed", sampler.seed, "Seed of the draws")
      ->capture_default_str();
  command
      ->add_option("--stop", options.stop,
                   "Text that ends the output (repeatable)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->each([](const std::string& text) { check_utf8(text, "--stop"); });
}

void check_utf8(std::string_view text, std::string_view what) {
  const size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos)
    throw UsageError("{}: byte {} is not UTF-8", what, bad);
}

nlohmann::ordered_json usage_json(const Generation& generation) {
  const auto rate = [](double count, double seconds) {
    return seconds > 0 ? count / seconds : 0;
  };
  const auto completion = static_cast<double>(generation.tokens.size());
  return {
      {"prompt_tokens", generation.prompt_tokens},
      {"completion_tokens", generation.tokens.size()},
      {"prompt_per_second", rate(static_cast<double>(generation.prompt_tokens),
                                 generation.prompt_seconds)},
      // The first token's logits are the prompt's.
      {"per_second", rate(completion - 1, generation.seconds)}};
}

}  // namespace seodang
