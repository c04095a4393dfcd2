#include "generate/output.h"

#include <algorithm>

#include "base/error.h"

namespace seodang {

void check_generation(const GenerateOptions& options,
                      std::span<const int32_t> prompt, int64_t context) {
  check_options(options);
  for (const std::string& stop : options.stop)
    if (stop.empty()) throw UsageError("a stop text is empty");
  if (prompt.empty()) throw Error("there is nothing to continue");
  if (static_cast<int64_t>(prompt.size()) > context)
    throw Error(
        "the prompt has {} tokens and the context holds {}; shorten the prompt",
        prompt.size(), context);
}

std::span<const float> known_logits(std::span<const float> logits,
                                    const Tokenizer& tokenizer) {
  return logits.first(
      std::min(logits.size(), static_cast<size_t>(tokenizer.vocab_size())));
}

OutputWriter::OutputWriter(const Tokenizer& tokenizer,
                           const GenerateOptions& options)
    : tokenizer_(tokenizer), options_(options) {
  if (options.constraint) filter_.emplace(options.constraint);
}

const std::vector<bool>* OutputWriter::allowed() {
  if (!filter_) return nullptr;
  if (!filter_->may_end()) return &filter_->allowed();
  allowed_ = filter_->allowed();
  for (const int32_t id : options_.end_tokens)
    if (static_cast<size_t>(id) < allowed_.size())
      allowed_[static_cast<size_t>(id)] = true;
  return &allowed_;
}

std::string OutputWriter::add(const Choice& choice) {
  result_.tokens.push_back(choice);
  const auto& end = options_.end_tokens;
  if (std::find(end.begin(), end.end(), choice.id) != end.end())
    return finish(StopReason::eos);
  if (!tokenizer_.is_special(choice.id))
    held_ += utf8_.push(tokenizer_.token_bytes(choice.id));
  if (filter_) filter_->read(choice.id);
  for (const std::string& stop : options_.stop) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    cut_ = std::min(cut_.value_or(at), at);
  }
  if (cut_ || (filter_ && !filter_->may_go_on()))
    return finish(StopReason::stop);
  if (static_cast<int64_t>(result_.tokens.size()) >= options_.max_new_tokens)
    return finish(StopReason::length);
  return release(held_.size() - longest_stop_prefix());
}

std::string OutputWriter::finish(StopReason reason) {
  finished_ = true;
  result_.stop = reason;
  if (cut_) {
    held_.resize(*cut_);
  } else {
    held_ += utf8_.finish();
  }
  return release(held_.size());
}

// Length of the longest end of held_ that begins a stop text.
size_t OutputWriter::longest_stop_prefix() const {
  size_t longest = 0;
  for (const std::string& stop : options_.stop) {
    size_t n = std::min(stop.size() - 1, held_.size());
    while (n > longest && !std::string_view(held_).ends_with(
                              std::string_view(stop).substr(0, n)))
      --n;
    longest = std::max(longest, n);
  }
  return longest;
}

std::string OutputWriter::release(size_t count) {
  std::string text = held_.substr(0, count);
  held_.erase(0, count);
  result_.text += text;
  return text;
}

}  // namespace seodang
