// A tiny instruct model whose chat template tells it of tools.
#pragma once

#include <filesystem>

#include "generate/tiny_model.h"

namespace seodang {

// As Qwen's has it.
constexpr char kToolTemplate[] = R"(
{%- if tools %}{{ '<tools>' + (tools | tojson) + '</tools> <tool_call>' }}{% endif %}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>' }}
{%- if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>' + call.function.name + ':' + call.function.arguments.city }}
{%- endfor %}{{ '<|eot_id|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>' }}{% endif %})";

inline std::filesystem::path write_tool_model(
    const std::filesystem::path& dir) {
  write_tiny_model(dir, true, 2);
  Tokenizer tokenizer = Tokenizer::load(dir);
  tokenizer.set_chat_template(kToolTemplate);
  tokenizer.save(dir);
  ModelConfig config = ModelConfig::load(dir);
  config.max_position_embeddings = 2048;
  save_model(dir, config, Model::random(config, 2, Dtype::f32).weights());
  return dir;
}

}  // namespace seodang
