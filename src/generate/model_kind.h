// Whether a model continues text or answers messages, and what speaks for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"
#include "tokenizer/tokenizer.h"

namespace seodang {

// A base model continues text; an instruct model answers messages that are
// written in its chat template.
enum class ModelKind { base, instruct };
std::string_view name_of(ModelKind kind);

// Evidence in words for people, each with its weight: by how much it raises the
// log-odds of an instruct model. The weights are judgement, not measurement; a
// name that says what a model is outweighs each other piece.
class KindVerdict {
 public:
  void add(double weight, std::string evidence);

  ModelKind kind() const;
  // Of being right, by the weights: 0.5 is a guess.
  double confidence() const;
  const std::vector<std::string>& evidence() const { return evidence_; }

 private:
  double log_odds_ = 0;
  std::vector<std::string> evidence_;
};

// By the name ("-Instruct", "-it", "-chat", "-DPO", "base"), the chat template,
// an end-of-turn token among `eos`, and whether the template's special tokens
// were trained: their rows of `embed_tokens` (vocab_size, hidden_size) against
// rows that no text can train, which are bytes that UTF-8 never holds, reserved
// tokens, and rows past the tokenizer's last. Softmax drives all of those the
// same way, so they stay together; a trained row leaves them. Without
// `embed_tokens`, of whatever dtype, that is left out.
KindVerdict judge_kind(const std::filesystem::path& path,
                       const Tokenizer& tokenizer, std::span<const int32_t> eos,
                       const Tensor& embed_tokens = {});

}  // namespace seodang
