// A model one can talk to: weights, tokenizer, and how it is meant to be used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generate/model_kind.h"
#include "model/model.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

class LanguageModel {
 public:
  // Reads a Hugging Face directory or a .gguf file, with adapters behind it
  // ("MODEL+ADAPTER", model/adapter.h). Throws Error when it is
  // none, and when tokenizer and model disagree on the vocabulary.
  static LanguageModel load(const std::filesystem::path& path);
  static LanguageModel load(const std::filesystem::path& path, Dtype dtype);

  const std::filesystem::path& path() const { return path_; }
  const ModelConfig& config() const { return model_.config(); }
  const Weights& weights() const { return model_.weights(); }
  Dtype dtype() const { return weights().act(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  ModelKind kind() const { return kind_; }
  // Tokens that end an output, sorted: eos of config.json and
  // generation_config.json, and the tokenizer's end-of-turn tokens.
  const std::vector<int32_t>& end_tokens() const { return end_tokens_; }

  // A text to continue (Tokenizer::encode_prompt).
  std::vector<int32_t> encode_text(std::string_view text) const;
  // Messages in the chat template, up to where the assistant's answer begins
  // (tokenizer/encoded_chat.h). `now` is what a template that asks for the date
  // is told; `tools` a list of JSON, or nothing. Throws Error when the model
  // has no chat template, and when that does not tell the model of tools.
  std::vector<int32_t> encode_chat(std::span<const Message> messages,
                                   const std::tm& now = kTemplateDay,
                                   const std::string& tools = {}) const;

  // One whose weights may have changed since they were read from `path`.
  LanguageModel(std::filesystem::path path, Model model, Tokenizer tokenizer);

 private:
  std::filesystem::path path_;
  Model model_;
  Tokenizer tokenizer_;
  ModelKind kind_ = ModelKind::base;
  std::vector<int32_t> end_tokens_;
};

}  // namespace seodang
