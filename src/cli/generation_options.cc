#include "cli/generation_options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <map>
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

void add_prompt_lookup_option(CLI::App* command, GenerateOptions& options) {
  command
      ->add_option("--prompt-lookup", options.prompt_lookup,
                   "Most draft tokens at once, from the prompt and the "
                   "output; the model checks them together, and the output "
                   "stays the same. 0: none")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
}

void add_kv_cache_option(CLI::App* command, std::optional<Dtype>& dtype) {
  static const std::map<std::string, Dtype> kTypes = {
      {"f32", Dtype::f32}, {"bf16", Dtype::bf16}, {"q8_0", Dtype::q8_0}};
  command
      ->add_option_function<std::string>(
          "--kv-cache-type",
          [&dtype](const std::string& type) { dtype = kTypes.at(type); },
          "Numbers that the past's keys and values are kept in: f32, bf16 or "
          "q8_0, 4, 2 or 1.06 bytes each (default: as the model computes, bf16 "
          "where the processor has its products, else f32)")
      ->check(CLI::IsMember({"f32", "bf16", "q8_0"}));
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
      {"accepted_draft_tokens", generation.accepted_draft_tokens},
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
