#include "tokenizer/turn_format.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

const char kLlama3ChatTemplate[] =
    R"({%- for message in messages -%}
{%- if loop.first -%}{{ bos_token }}{%- endif -%}
{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif -%}
)";

namespace {

constexpr std::string_view kChatMl =
    R"({%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\n' }}
{%- endif -%}
)";

// Gemma has no system role: what it says goes before the question.
constexpr std::string_view kGemma =
    R"({{- bos_token -}}
{%- set ns = namespace(before='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set ns.before = message['content'] | trim + '\n\n' -%}
{%- else -%}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
{{ '<start_of_turn>' + role + '\n' + ns.before + message['content'] | trim + '<end_of_turn>\n' }}
{%- set ns.before = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<start_of_turn>model\n' }}
{%- endif -%}
)";

constexpr std::string_view kMistral =
    R"({{- bos_token -}}
{%- set ns = namespace(before='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set ns.before = message['content'] | trim + '\n\n' -%}
{%- elif message['role'] == 'user' -%}
{{ '[INST]' + ns.before + message['content'] | trim + '[/INST]' }}
{%- set ns.before = '' -%}
{%- else -%}
{{ message['content'] | trim + eos_token }}
{%- endif -%}
{%- endfor -%}
)";

constexpr std::string_view kEos =
    R"({{- bos_token -}}
{%- for message in messages -%}
{{ '<|' + message['role'] + '|>\n' + message['content'] | trim + eos_token + '\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|assistant|>\n' }}
{%- endif -%}
)";

}  // namespace

std::span<const TurnFormat> turn_formats() {
  static const std::array<TurnFormat, 5> formats = {{
      {"llama3",
       {"<|start_header_id|>", "<|end_header_id|>"},
       "<|eot_id|>",
       kLlama3ChatTemplate},
      {"gemma", {"<start_of_turn>"}, "<end_of_turn>", kGemma},
      {"chatml", {"<|im_start|>"}, "<|im_end|>", kChatMl},
      {"mistral", {"[INST]", "[/INST]"}, "", kMistral},
      {"eos", {}, "", kEos},
  }};
  return formats;
}

const TurnFormat& turn_format_of(const Tokenizer& tokenizer) {
  const auto is_added = [&](std::string_view token) {
    return tokenizer.find_added(token).has_value();
  };
  for (const TurnFormat& format : turn_formats())
    if (std::all_of(format.tokens.begin(), format.tokens.end(), is_added) &&
        (format.end.empty() ? tokenizer.eos_token_id() >= 0
                            : is_added(format.end)))
      return format;
  throw Error(
      "the tokenizer has neither the tokens of a known chat template nor an "
      "eos_token, so that no answer could be ended; name an eos_token in "
      "tokenizer_config.json");
}

std::span<const std::string_view> end_of_turn_tokens() {
  static constexpr std::array<std::string_view, 6> tokens = {
      "<|eot_id|>", "<|im_end|>", "<end_of_turn>",
      "<|end|>",    "<|eom_id|>", "<|endofturn|>"};
  return tokens;
}

}  // namespace seodang
