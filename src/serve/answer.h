// The sequences of one request, on their way from the engine's thread to that
// of the client's connection.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "generate/generation.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/tool_calls.h"

namespace seodang {

class Answer {
 public:
  // The tokenizer must outlive it.
  Answer(CompletionRequest request, ResponseHead head,
         const Tokenizer& tokenizer, std::chrono::seconds timeout);

  const CompletionRequest& request() const { return request_; }

  // --- The engine's side, for the choice of that index.

  // Somebody waits for it.
  bool is_wanted();
  // A token and the text that it made certain; false when nobody waits.
  bool take(size_t index, const Choice& choice, std::string_view text);
  void finish(size_t index, Generation generation,
              const std::exception_ptr& error);

  // --- The client's side: the thread of its connection.

  // Nobody listens any more: what is still written ends with its next token.
  void abandon();
  // Of all choices, as JSON; empty when the client has left. Throws what went
  // wrong, and ApiError when it takes longer than `timeout`.
  std::string whole();
  // The next events of a stream; none behind the last.
  std::string next_events();

 private:
  bool gives_up();
  void put(std::string event);

  const CompletionRequest request_;
  const ResponseHead head_;
  const Tokenizer& tokenizer_;
  const std::chrono::steady_clock::time_point deadline_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> events_;
  std::vector<Generation> results_;
  size_t unfinished_;
  std::vector<ToolCallParser> parsers_;  // of the choices
  std::exception_ptr error_;
  bool abandoned_ = false, ended_ = false;
};

// An event of a stream.
std::string event_of(std::string_view data);

}  // namespace seodang
