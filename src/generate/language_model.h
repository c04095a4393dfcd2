// A model one can talk to: weights, tokenizer, and how it is meant to be used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// A base model continues text; an instruct model answers messages that are
// written in its chat template.
enum class ModelKind { base, instruct };
std::string_view name_of(ModelKind kind);

// The kind and what speaks for it, in words for people. A name that says so
// ("-Instruct", "-it", "-chat", "base") decides; else a chat template or an
// end-of-turn token among the eos tokens make it an instruct model.
struct KindVerdict {
  ModelKind kind = ModelKind::base;
  std::vector<std::string> evidence;
};

class LanguageModel {
 public:
  // Reads a Hugging Face directory or a .gguf file. Throws Error when it is
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

  // Begin-of-text, then the text.
  std::vector<int32_t> encode_text(std::string_view text) const;
  // Messages in the chat template, up to where the assistant's answer begins;
  // earlier answers are encoded apart, as the model wrote them. A special token
  // that a message spells out is broken by a zero-width space, so that no one
  // forges turns. Throws Error when the model has no chat template.
  std::vector<int32_t> encode_chat(std::span<const Message> messages) const;

 private:
  LanguageModel(std::filesystem::path path, Model model, Tokenizer tokenizer);

  std::filesystem::path path_;
  Model model_;
  Tokenizer tokenizer_;
  ModelKind kind_ = ModelKind::base;
  std::vector<int32_t> end_tokens_;
};

// What LanguageModel::load finds out without reading the weights. The eos
// tokens are those that config.json and generation_config.json declare, sorted.
std::vector<int32_t> declared_eos(const std::filesystem::path& directory,
                                  const ModelConfig& config);
KindVerdict judge_kind(const std::filesystem::path& directory,
                       const Tokenizer& tokenizer,
                       std::span<const int32_t> eos);

}  // namespace seodang
