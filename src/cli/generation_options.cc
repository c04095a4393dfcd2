#include "cli/generation_options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/options.h"

namespace seodang {

void add_generation_options(CLI::App* command, GenerateOptions& options) {
  add_options(command, options);
  command->get_option("--stop")->each(
      [](const std::string& text) { check_utf8(text, "--stop"); });
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

nlohmann::ordered_json usage_json(const RemoteAnswer& answer) {
  const auto completion = static_cast<double>(answer.completion_tokens);
  return {{"prompt_tokens", answer.prompt_tokens},
          {"completion_tokens", answer.completion_tokens},
          {"per_second", answer.seconds > 0 ? completion / answer.seconds : 0}};
}

}  // namespace seodang
