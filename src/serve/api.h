// OpenAI's API in JSON: what a request asks for, and what is answered
// (platform.openai.com/docs/api-reference, Completions and Chat).
#pragma once

#include <cstdint>
#include <ctime>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "generate/generation.h"
#include "generate/language_model.h"

namespace seodang {

// What a client did wrong, with the HTTP status that says so. `parameter` is
// the key of the request, or "".
class ApiError : public Error {
 public:
  ApiError(int status, const std::string& message, std::string parameter = "",
           std::string code = "")
      : Error(message),
        status_(status),
        parameter_(std::move(parameter)),
        code_(std::move(code)) {}

  int status() const { return status_; }
  // {"error": {"message", "type", "param", "code"}}
  std::string body() const;

 private:
  int status_;
  std::string parameter_, code_;
};

struct CompletionRequest {
  bool chat = false;
  std::string model;              // "": the only one
  std::string prompt;             // of a completion
  std::vector<Message> messages;  // of a chat
  GenerateOptions options = {};   // without end tokens
  int32_t choices = 1;            // n
  bool stream = false, include_usage = false;
  int32_t logprobs = -1;  // candidates for each token; -1: none are asked for
};

// The JSON object that a request's body is. Throws ApiError.
nlohmann::json parse_body(std::string_view body);

// Throws ApiError for what is no such request, and for what it asks that is not
// built: nothing is left out silently.
CompletionRequest parse_completion(std::string_view body, bool chat);

// One response: its id and date, and the model as the client calls it.
struct ResponseHead {
  std::string id, model;
  std::time_t created = 0;
  bool chat = false;
};

nlohmann::ordered_json usage_of(int64_t prompt_tokens,
                                int64_t completion_tokens);
// The whole answer; `choices` in the order of their index.
std::string completion_json(const ResponseHead& head,
                            const CompletionRequest& request,
                            const std::vector<Generation>& choices,
                            const Tokenizer& tokenizer);

// Pieces of a stream, each one event's data.
// The first of a chat's choice: who speaks.
std::string role_chunk(const ResponseHead& head, int32_t index);
// A token and the text that it made certain.
std::string token_chunk(const ResponseHead& head,
                        const CompletionRequest& request, int32_t index,
                        const Choice& choice, std::string_view text,
                        const Tokenizer& tokenizer);
std::string end_chunk(const ResponseHead& head, int32_t index,
                      StopReason reason);
std::string usage_chunk(const ResponseHead& head, int64_t prompt_tokens,
                        int64_t completion_tokens);

}  // namespace seodang
