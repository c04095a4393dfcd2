#include "generate/language_model.h"

#include "base/error.h"
#include "data/clean.h"
#include "generate/end_tokens.h"
#include "kernels/matmul.h"
#include "model/model_source.h"
#include "tokenizer/encoded_chat.h"

namespace seodang {

namespace fs = std::filesystem;

LanguageModel LanguageModel::load(const fs::path& path) {
  return load(path, fastest_product_dtype());
}

LanguageModel LanguageModel::load(const fs::path& path, Dtype dtype) {
  const ModelPath parts(path);
  if (!fs::exists(parts.base))
    throw Error("{}: no such model directory", path.string());
  if (!is_gguf(parts.base) && !fs::is_directory(parts.base))
    throw Error(
        "{}: not a model directory (one with config.json) and no .gguf file",
        path.string());
  // The tokenizer first: it is small, and as likely to be missing.
  Tokenizer tokenizer = Tokenizer::load(parts.tokenizer());
  return {path, Model::load_for_use(path, dtype), std::move(tokenizer)};
}

LanguageModel::LanguageModel(fs::path path, Model model, Tokenizer tokenizer)
    : path_(std::move(path)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)) {
  // Added tokens may have no row, as long as they are not used.
  for (int32_t id = config().vocab_size; id < tokenizer_.vocab_size(); ++id)
    if (!tokenizer_.is_added(id))
      throw Error(
          "{}: the tokenizer has {} tokens and the model {}; they are not of "
          "one another",
          path_.string(), tokenizer_.vocab_size(), config().vocab_size);
  const fs::path base = ModelPath(path_).base;
  const auto declared = declared_eos(base, config());
  kind_ = judge_kind(base, tokenizer_, declared, weights().embed_tokens).kind();
  end_tokens_ = seodang::end_tokens(declared, tokenizer_);
}

std::vector<int32_t> LanguageModel::encode_text(std::string_view text) const {
  return tokenizer_.encode_prompt(to_nfc(text));
}

std::vector<int32_t> LanguageModel::encode_chat(
    std::span<const Message> messages, const std::tm& now,
    const std::string& tools) const {
  if (tokenizer_.chat_template().empty())
    throw Error(
        "{}: no chat template: a base model, which continues text (seodang "
        "generate), or one that lacks its chat_template.jinja",
        path_.string());
  std::vector<Message> normal(messages.begin(), messages.end());
  for (Message& message : normal) message.content = to_nfc(message.content);
  ChatOptions options = {.add_generation_prompt = true, .now = now};
  std::vector<int32_t> out =
      seodang::encode_chat(tokenizer_, normal, options).tokens;
  if (tools.empty()) return out;
  options.tools = tools;
  std::vector<int32_t> with_tools =
      seodang::encode_chat(tokenizer_, normal, options).tokens;
  if (with_tools == out)
    throw Error("{}: its chat template has no place for tools", path_.string());
  return with_tools;
}

}  // namespace seodang
