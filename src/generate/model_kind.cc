#include "generate/model_kind.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "kernels/convert.h"
#include "model/model_source.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

// Weights of evidence. Two pieces that agree outweigh one that does not; only
// all of the others together outweigh a name.
constexpr double kName = 5, kTemplate = 1.5, kEndsTurns = 1.5, kTrained = 1.5,
                 kUntrained = 2;

// The last name of the path, in small letters, between dashes.
std::string name_in_words(const fs::path& given) {
  fs::path path = fs::absolute(given).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.extension() == ".gguf") path.replace_extension();
  std::string words = "-";
  for (const char c : path.filename().string())
    words +=
        std::isalnum(static_cast<unsigned char>(c))
            ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
            : '-';
  return words + "-";
}

void judge_name(const fs::path& path, KindVerdict& verdict) {
  const std::string name = name_in_words(path);
  const auto named = [&](std::initializer_list<std::string_view> words,
                         double weight) {
    for (const std::string_view word : words) {
      if (name.find(fmt::format("-{}-", word)) == std::string::npos) continue;
      verdict.add(weight, fmt::format("name says {}", word));
      return true;
    }
    return false;
  };
  // "-SFT" on a base's name ("base-sft") tells what was done to it last.
  if (!named({"instruct", "it", "if", "chat", "sft", "dpo", "orpo", "kto",
              "rlhf", "grpo", "assistant"},
             kName))
    named({"base", "pt", "pretrained", "pretrain"}, -kName);
}

// The special tokens that turns are written with: those that the template
// names, and the known ends of turns.
std::vector<int32_t> turn_tokens(const Tokenizer& tokenizer) {
  std::vector<int32_t> out;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(id) || id == tokenizer.bos_token_id()) continue;
    const std::string_view name = tokenizer.token_bytes(id);
    const auto ends = end_of_turn_tokens();
    const bool ends_turns =
        std::find(ends.begin(), ends.end(), name) != ends.end();
    if (ends_turns || (!name.empty() && tokenizer.chat_template().find(name) !=
                                            std::string::npos))
      out.push_back(id);
  }
  return out;
}

bool sounds_reserved(std::string_view name) {
  for (const char* part : {"reserved", "unused", "_pad_id", "placeholder"})
    if (name.find(part) != name.npos) return true;
  return false;
}

// Ids of rows that no text can have trained.
std::vector<int32_t> untrainable(const Tokenizer& tokenizer, int64_t rows) {
  std::vector<int32_t> out;
  for (int byte = 0xC0; byte <= 0xFF; ++byte) {
    if (byte > 0xC1 && byte < 0xF5) continue;
    const char text = static_cast<char>(byte);
    if (const auto id = tokenizer.find({&text, 1})) out.push_back(*id);
  }
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id)
    if (tokenizer.is_special(id) && sounds_reserved(tokenizer.token_bytes(id)))
      out.push_back(id);
  for (int64_t id = tokenizer.vocab_size(); id < rows; ++id)
    out.push_back(static_cast<int32_t>(id));
  constexpr size_t kMost = 256;
  if (out.size() > kMost) out.resize(kMost);
  return out;
}

double distance(std::span<const float> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

// How far rows lie from the midst of those that no text can have trained, in
// standard deviations of these.
class TrainedRows {
 public:
  TrainedRows(const Tensor& embed_tokens, std::span<const int32_t> untrained)
      : embed_tokens_(embed_tokens),
        centre_(static_cast<size_t>(embed_tokens.cols)) {
    for (const int32_t id : untrained) {
      const std::vector<float> values = row(id);
      for (size_t i = 0; i < centre_.size(); ++i)
        centre_[i] += values[i] / static_cast<double>(untrained.size());
    }
    double squares = 0;
    for (const int32_t id : untrained) {
      const double d = distance(row(id), centre_);
      mean_ += d / static_cast<double>(untrained.size());
      squares += d * d / static_cast<double>(untrained.size());
    }
    // Rows that are all alike still differ by rounding.
    deviation_ = std::max(std::sqrt(std::max(0.0, squares - mean_ * mean_)),
                          0.02 * mean_ + 1e-6);
  }

  double deviations(int32_t id) const {
    return (distance(row(id), centre_) - mean_) / deviation_;
  }

 private:
  std::vector<float> row(int32_t id) const {
    std::vector<float> out(centre_.size());
    const Tensor to(out.data(), Dtype::f32, 1, embed_tokens_.cols);
    convert_row(to, embed_tokens_.rows_from(id, 1));
    return out;
  }

  Tensor embed_tokens_;
  std::vector<double> centre_;
  double mean_ = 0, deviation_ = 0;
};

void judge_rows(const Tokenizer& tokenizer, const Tensor& embed_tokens,
                KindVerdict& verdict) {
  constexpr size_t kFewest = 8;      // rows that make a deviation
  constexpr double kDeviations = 6;  // none of 256 rows goes so far by chance
  if (!embed_tokens || embed_tokens.rows < tokenizer.vocab_size()) return;
  const auto tokens = turn_tokens(tokenizer);
  const auto untrained = untrainable(tokenizer, embed_tokens.rows);
  if (tokens.empty() || untrained.size() < kFewest) return;
  const TrainedRows rows(embed_tokens, untrained);
  std::vector<std::string_view> trained, rest;
  for (const int32_t id : tokens)
    (rows.deviations(id) > kDeviations ? trained : rest)
        .push_back(tokenizer.token_bytes(id));
  const auto named = [](std::vector<std::string_view> names) {
    constexpr size_t kShown = 4;
    const size_t all = names.size();
    if (all > kShown) names.resize(kShown);
    return fmt::format(
        "{}{}", fmt::join(names, ", "),
        all > kShown ? fmt::format(" and {} more", all - kShown) : "");
  };
  if (!trained.empty())
    verdict.add(kTrained,
                fmt::format("special tokens trained: {}", named(trained)));
  else
    verdict.add(-kUntrained,
                fmt::format("special tokens never trained: {}", named(rest)));
}

}  // namespace

std::string_view name_of(ModelKind kind) {
  return kind == ModelKind::base ? "base" : "instruct";
}

void KindVerdict::add(double weight, std::string evidence) {
  log_odds_ += weight;
  evidence_.push_back(std::move(evidence));
}

ModelKind KindVerdict::kind() const {
  return log_odds_ > 0 ? ModelKind::instruct : ModelKind::base;
}

double KindVerdict::confidence() const {
  return 1 / (1 + std::exp(-std::abs(log_odds_)));
}

KindVerdict judge_kind(const fs::path& path, const Tokenizer& tokenizer,
                       std::span<const int32_t> eos,
                       const Tensor& embed_tokens) {
  KindVerdict verdict;
  judge_name(path, verdict);
  const bool has_template = !tokenizer.chat_template().empty();
  verdict.add(has_template ? kTemplate : -kTemplate,
              has_template ? "chat_template present" : "no chat_template");
  bool ends_turns = false;
  for (const std::string_view name : end_of_turn_tokens()) {
    const auto id = tokenizer.find(name);
    if (!id || std::find(eos.begin(), eos.end(), *id) == eos.end()) continue;
    verdict.add(ends_turns ? 0 : kEndsTurns,
                fmt::format("{} is an eos token", name));
    ends_turns = true;
  }
  if (!ends_turns && is_gguf(path))  // which may well have been left out
    verdict.add(0, "no end-of-turn token is eos; GGUF names one eos");
  else if (!ends_turns)
    verdict.add(-1, "no end-of-turn token among the eos");
  judge_rows(tokenizer, embed_tokens, verdict);
  return verdict;
}

}  // namespace seodang
