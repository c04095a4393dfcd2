#include "generate/language_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/matmul.h"
#include "model/model_source.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::vector<int32_t> sorted(std::vector<int32_t> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// A text that spells a special token loses its power.
std::string disarmed(std::string text, const Tokenizer& tokenizer) {
  for (const int32_t id : tokenizer.encode(text, false, true)) {
    if (!tokenizer.is_special(id)) continue;
    const std::string special(tokenizer.token_bytes(id));
    const size_t at = text.find(special);
    if (at != std::string::npos) text.insert(at + 1, "\u200b");
  }
  return text;
}

}  // namespace

LanguageModel LanguageModel::load(const fs::path& path) {
  return load(path, fastest_product_dtype());
}

LanguageModel LanguageModel::load(const fs::path& path, Dtype dtype) {
  if (!fs::exists(path))
    throw Error("{}: no such model directory", path.string());
  if (!is_gguf(path) && !fs::is_directory(path))
    throw Error(
        "{}: not a model directory (one with config.json) and no .gguf file",
        path.string());
  // The tokenizer first: it is small, and as likely to be missing.
  Tokenizer tokenizer = Tokenizer::load(path);
  return {
      path,
      is_gguf(path) ? Model::load_gguf(path, dtype) : Model::map(path, dtype),
      std::move(tokenizer)};
}

LanguageModel::LanguageModel(fs::path path, Model model, Tokenizer tokenizer)
    : path_(std::move(path)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)) {
  if (tokenizer_.vocab_size() > config().vocab_size)
    throw Error(
        "{}: the tokenizer has {} tokens and the model {}; they are not of one "
        "another",
        path_.string(), tokenizer_.vocab_size(), config().vocab_size);
  end_tokens_ = declared_eos(path_, config());
  kind_ =
      judge_kind(path_, tokenizer_, end_tokens_, weights().embed_tokens).kind();
  for (const int32_t id : tokenizer_.end_of_turn_ids())
    end_tokens_.push_back(id);
  end_tokens_ = sorted(std::move(end_tokens_));
}

std::vector<int32_t> LanguageModel::encode_text(std::string_view text) const {
  return tokenizer_.encode(text, true);
}

std::vector<int32_t> LanguageModel::encode_chat(
    std::span<const Message> messages, const std::tm& now) const {
  if (tokenizer_.chat_template().empty())
    throw Error(
        "{}: no chat template; this is a base model, which continues "
        "text (seodang generate)",
        path_.string());
  const auto name = [&](int32_t id) {
    return id < 0 ? std::string_view() : tokenizer_.token_bytes(id);
  };
  const std::string_view bos = name(tokenizer_.bos_token_id());
  std::vector<Message> safe(messages.begin(), messages.end());
  for (Message& message : safe)
    message.content = disarmed(std::move(message.content), tokenizer_);
  const auto render = [&](size_t count, bool add_generation_prompt) {
    return render_chat(tokenizer_.chat_template(), std::span(safe).first(count),
                       add_generation_prompt, bos,
                       name(tokenizer_.eos_token_id()), now);
  };

  const std::string all = render(safe.size(), true);
  std::vector<int32_t> out;
  if (!bos.empty() && !all.starts_with(bos))
    out.push_back(tokenizer_.bos_token_id());
  size_t done = 0;
  const auto encode_up_to = [&](size_t end) {
    const auto tokens = tokenizer_.encode(
        std::string_view(all).substr(done, end - done), false, true);
    out.insert(out.end(), tokens.begin(), tokens.end());
    done = end;
  };
  for (size_t i = 0; i < safe.size(); ++i) {
    if (safe[i].role != "assistant") continue;
    for (const std::string& part : {render(i, true), render(i + 1, false)})
      if (part.size() > done && all.starts_with(part))
        encode_up_to(part.size());
  }
  encode_up_to(all.size());
  return out;
}

}  // namespace seodang
