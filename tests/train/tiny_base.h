// A base model of random weights that knows two sentences' letters, to be
// tuned.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train_bpe.h"
#include "train/training.h"

namespace seodang {

inline Tokenizer tiny_tokenizer(std::vector<std::string> special_tokens) {
  BpeTrainOptions options;
  options.special_tokens = std::move(special_tokens);
  options.vocab_size =
      280 + static_cast<int32_t>(options.special_tokens.size());
  bool given = false;
  return train_bpe(
      [&](std::string& text) {
        text = "the cat sat on the mat, the cat sat on the hat";
        return !std::exchange(given, true);
      },
      options);
}

inline void write_tiny_base(const std::filesystem::path& directory,
                            const Tokenizer& tokenizer) {
  ModelConfig config =
      config_of_size(model_size("nano"), tokenizer.vocab_size());
  config.bos_token_id = tokenizer.bos_token_id();
  if (tokenizer.eos_token_id() >= 0)
    config.eos_token_id = {tokenizer.eos_token_id()};
  std::filesystem::create_directories(directory);
  save_model(directory, config, Model::random(config, 1, Dtype::f32).weights());
  tokenizer.save(directory);
}

// directory/base, and directory/instruct, which has learned the examples.
inline void write_tiny_instruct(const std::filesystem::path& directory,
                                const std::filesystem::path& examples) {
  write_tiny_base(directory / "base",
                  tiny_tokenizer({"<|begin_of_text|>", "<|end_of_text|>",
                                  "<|start_header_id|>", "<|end_header_id|>",
                                  "<|eot_id|>"}));
  InstructOptions o;
  o.base = directory / "base";
  o.examples = {examples};
  o.output = directory / "instruct";
  o.replay = o.validation = 0;
  o.train.steps = 60;
  o.train.batch_tokens = 128;
  o.train.learning_rate = 0.01;
  instruct(o);
}

}  // namespace seodang
