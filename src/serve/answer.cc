#include "serve/answer.h"

#include <utility>

#include "serve/http_server.h"

namespace seodang {
namespace {

using Clock = std::chrono::steady_clock;

// How often one looks whether the client is still there.
constexpr auto kGlance = std::chrono::milliseconds(250);

}  // namespace

std::string event_of(std::string_view data) {
  return fmt::format("data: {}\n\n", data);
}

Answer::Answer(CompletionRequest request, ResponseHead head,
               const Tokenizer& tokenizer, std::chrono::seconds timeout)
    : request_(std::move(request)),
      head_(std::move(head)),
      tokenizer_(tokenizer),
      deadline_(Clock::now() + timeout),
      results_(static_cast<size_t>(request_.choices)),
      unfinished_(results_.size()),
      parsers_(results_.size(), ToolCallParser(request_.tools)) {
  if (request_.stream && head_.chat)
    for (int32_t i = 0; i < request_.choices; ++i)
      events_.push_back(role_chunk(head_, i));
}

bool Answer::is_wanted() {
  const std::lock_guard lock(mutex_);
  return !abandoned_;
}

bool Answer::take(size_t index, const Choice& choice, std::string_view text) {
  std::string certain;
  if (request_.stream && !request_.tools.empty())
    text = certain = parsers_[index].push(text);
  const bool tells =
      request_.stream && (!text.empty() || request_.logprobs >= 0);
  std::string event =
      tells ? token_chunk(head_, request_, static_cast<int32_t>(index), choice,
                          text, tokenizer_)
            : "";
  const std::lock_guard lock(mutex_);
  if (abandoned_) return false;
  if (tells) put(std::move(event));
  return true;
}

void Answer::finish(size_t index, Generation generation,
                    const std::exception_ptr& error) {
  const std::lock_guard lock(mutex_);
  if (error && !error_) error_ = error;
  if (request_.stream && !error) {
    const auto choice = static_cast<int32_t>(index);
    ToolCallParser& reader = parsers_[index];
    const std::string text = reader.finish();
    if (!text.empty()) put(text_chunk(head_, choice, text));
    const bool calls = !reader.calls().empty();
    if (calls) put(tool_calls_chunk(head_, choice, reader.calls()));
    put(end_chunk(head_, choice, generation.stop, calls));
  }
  results_[index] = std::move(generation);
  --unfinished_;
  changed_.notify_all();
}

void Answer::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
}

std::string Answer::whole() {
  std::unique_lock lock(mutex_);
  const auto is_done = [&] { return unfinished_ == 0; };
  while (!changed_.wait_for(lock, kGlance, is_done) && !gives_up()) {
  }
  if (error_) std::rethrow_exception(error_);
  if (unfinished_ > 0) return "";
  return completion_json(head_, request_, results_, tokenizer_);
}

std::string Answer::next_events() {
  std::unique_lock lock(mutex_);
  const auto has_news = [&] { return !events_.empty() || unfinished_ == 0; };
  while (!gives_up() && !changed_.wait_for(lock, kGlance, has_news)) {
  }
  std::string out;
  for (const std::string& event : events_) out += event_of(event);
  events_.clear();
  if (!out.empty()) return out;
  if (unfinished_ > 0 && !error_) return "";  // the client has left
  if (std::exchange(ended_, true)) return "";
  if (error_) return event_of(ApiError::of(error_).body());
  if (request_.include_usage) {
    int64_t tokens = 0;
    for (const Generation& result : results_)
      tokens += std::ssize(result.tokens);
    out = event_of(usage_chunk(head_, results_[0].prompt_tokens, tokens));
  }
  return out + event_of("[DONE]");
}

// With the lock: the client has left, or the time is over.
bool Answer::gives_up() {
  const bool is_late = unfinished_ > 0 && Clock::now() > deadline_;
  if (is_late && !error_)
    error_ = std::make_exception_ptr(ApiError(
        503, "the answer took longer than the server's --timeout allows"));
  abandoned_ = abandoned_ || is_late || !HttpServer::client_is_there();
  return abandoned_;
}

void Answer::put(std::string event) {
  events_.push_back(std::move(event));
  changed_.notify_all();
}

}  // namespace seodang
