#include "generate/language_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "kernels/matmul.h"
#include "model/model_source.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

// The names by which model families mark the end of a turn.
constexpr std::array<std::string_view, 5> kEndOfTurn = {
    "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<|eom_id|>"};

std::vector<int32_t> read_generation_config(const fs::path& path) {
  std::vector<int32_t> out;
  if (!fs::exists(path)) return out;
  const auto json = read_json(path, 1 << 20);
  if (!json.is_object()) throw Error("{}: not a JSON object", path.string());
  const auto found = json.find("eos_token_id");
  if (found == json.end() || found->is_null()) return out;
  const auto list =
      found->is_array() ? *found : nlohmann::json::array({*found});
  for (const auto& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      throw Error("{}: eos_token_id is not a token id", path.string());
    out.push_back(id.get<int32_t>());
  }
  return out;
}

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

// The last name of the path, in small letters, between dashes.
std::string name_in_words(const fs::path& directory) {
  fs::path path = fs::absolute(directory).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  std::string words = "-";
  for (const char c : path.filename().string())
    words +=
        std::isalnum(static_cast<unsigned char>(c))
            ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
            : '-';
  return words + "-";
}

}  // namespace

std::string_view name_of(ModelKind kind) {
  return kind == ModelKind::base ? "base" : "instruct";
}

std::vector<int32_t> declared_eos(const fs::path& directory,
                                  const ModelConfig& config) {
  std::vector<int32_t> out = config.eos_token_id;
  for (const int32_t id :
       read_generation_config(directory / "generation_config.json"))
    out.push_back(id);
  return sorted(std::move(out));
}

KindVerdict judge_kind(const fs::path& directory, const Tokenizer& tokenizer,
                       std::span<const int32_t> eos) {
  KindVerdict verdict;
  auto& evidence = verdict.evidence;
  const bool has_template = !tokenizer.chat_template().empty();
  evidence.push_back(has_template ? "chat_template present"
                                  : "no chat_template");
  bool ends_turns = false;
  for (const std::string_view name : kEndOfTurn) {
    const auto id = tokenizer.find(name);
    if (!id || std::find(eos.begin(), eos.end(), *id) == eos.end()) continue;
    ends_turns = true;
    evidence.push_back(fmt::format("{} is an eos token", name));
  }
  if (!ends_turns) evidence.emplace_back("no end-of-turn token among the eos");
  verdict.kind =
      has_template || ends_turns ? ModelKind::instruct : ModelKind::base;

  const std::string name = name_in_words(directory);
  const auto named = [&](std::initializer_list<std::string_view> words,
                         ModelKind kind) {
    for (const std::string_view word : words) {
      if (name.find(fmt::format("-{}-", word)) == std::string::npos) continue;
      verdict.kind = kind;
      evidence.insert(evidence.begin(), fmt::format("name says {}", word));
      return;
    }
  };
  named({"base", "pt", "pretrained"}, ModelKind::base);
  named({"instruct", "it", "chat", "sft"}, ModelKind::instruct);
  return verdict;
}

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
  kind_ = judge_kind(path_, tokenizer_, end_tokens_).kind;
  for (const int32_t id : tokenizer_.end_of_turn_ids())
    end_tokens_.push_back(id);
  end_tokens_ = sorted(std::move(end_tokens_));
}

std::vector<int32_t> LanguageModel::encode_text(std::string_view text) const {
  return tokenizer_.encode(text, true);
}

std::vector<int32_t> LanguageModel::encode_chat(
    std::span<const Message> messages) const {
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
                       name(tokenizer_.eos_token_id()));
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
