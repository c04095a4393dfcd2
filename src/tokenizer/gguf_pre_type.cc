#include "tokenizer/gguf_pre_type.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/train_bpe.h"

namespace seodang {
namespace {

// ByteLevel with its own split, GPT-2's; SmolLM's cuts digits off first.
constexpr const char* kGpt2 =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,)"
    R"("use_regex":true})";
constexpr const char* kSmolLm =
    R"({"type":"Sequence","pretokenizers":[)"
    R"({"type":"Digits","individual_digits":true},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,)"
    R"("use_regex":true}]})";
constexpr const char* kQwen2 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr const char* kTekken =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?"
    "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
    "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
// What llama.cpp does with "default", one after another.
const std::vector<std::string>& default_patterns() {
  static const std::vector<std::string> patterns = {
      "[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
      "\\s+(?!\\S)",
      "\\p{N}+", "[0-9][0-9][0-9]"};
  return patterns;
}

// Those that cut more come first.
const std::vector<GgufPreType>& pre_types() {
  const auto split = [](const std::string& pattern) {
    return byte_level_pre_tokenizer({pattern});
  };
  static const std::vector<GgufPreType> types = {
      {{"smollm"}, kSmolLm, "null", false, false},
      {{"default"},
       byte_level_pre_tokenizer(default_patterns()),
       "null",
       false,
       false},
      {{"tekken"}, split(kTekken), "null", true, true},
      {{"qwen2", "deepseek-r1-qwen"},
       split(kQwen2),
       R"({"type":"NFC"})",
       false,
       false},
      {{"gpt-2"}, kGpt2, "null", false, false},
      {{"llama-bpe", "llama3", "llama-v3", "midm", "midm-2.0", "falcon3",
        "falcon-h1", "pixtral", "lfm2"},
       split(split_pattern("llama3")),
       "null",
       true,
       true},
      {{"smaug-bpe"}, split(split_pattern("llama3")), "null", false, false}};
  return types;
}

// Without what changes offsets alone.
nlohmann::json essence(nlohmann::json part) {
  if (part.is_object()) part.erase("trim_offsets");
  if (part.is_structured())
    for (nlohmann::json& inner : part) inner = essence(inner);
  return part;
}

int64_t count_cut(const GgufPreType& type,
                  const std::vector<std::string>& texts) {
  const PreTokenizer pre_tokenizer(type.pre_tokenizer);
  return std::count_if(
      texts.begin(), texts.end(), [&](const std::string& text) {
        int pieces = 0;
        pre_tokenizer.split(text, [&](std::string_view) { ++pieces; });
        return pieces > 1;
      });
}

}  // namespace

const GgufPreType* find_gguf_pre_type(std::string_view name) {
  for (const GgufPreType& type : pre_types())
    if (std::find(type.names.begin(), type.names.end(), name) !=
        type.names.end())
      return &type;
  return nullptr;
}

std::string gguf_pre_names() {
  std::vector<std::string_view> names;
  for (const GgufPreType& type : pre_types())
    names.insert(names.end(), type.names.begin(), type.names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

const GgufPreType& guess_gguf_pre_type(const std::vector<std::string>& tokens) {
  std::vector<std::string> texts;
  for (const std::string& token : tokens)
    if (const auto text = unspell_bytes(token);
        text && find_invalid_utf8(*text) == std::string::npos)
      texts.push_back(*text);
  const GgufPreType* best = nullptr;
  int64_t fewest = 0;
  for (const GgufPreType& type : pre_types())
    if (const int64_t cut = count_cut(type, texts);
        best == nullptr || cut < fewest) {
      best = &type;
      fewest = cut;
    }
  return *best;
}

const GgufPreType* gguf_pre_type_of(const nlohmann::json& tokenizer_json) {
  using nlohmann::json;
  const json& model = tokenizer_json.at("model");
  for (const GgufPreType& type : pre_types())
    if (model.value("ignore_merges", false) == type.ignore_merges &&
        tokenizer_json.value("normalizer", json()) ==
            json::parse(type.normalizer) &&
        essence(tokenizer_json.value("pre_tokenizer", json())) ==
            essence(json::parse(type.pre_tokenizer)))
      return &type;
  return nullptr;
}

const GgufPreType& usual_gguf_pre_type() {
  return *find_gguf_pre_type("llama-bpe");
}

}  // namespace seodang
