// What a request of OpenAI's API asks for
// (platform.openai.com/docs/api-reference, Completions and Chat).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "generate/generation.h"
#include "generate/language_model.h"
#include "grammar/grammar.h"
#include "serve/api_error.h"
#include "serve/tool_calls.h"

namespace seodang {

struct CompletionRequest {
  bool chat = false;
  std::string model;   // "": the only one
  std::string prompt;  // of a completion, or its tokens:
  std::vector<int32_t> prompt_ids;
  std::vector<Message> messages;  // of a chat
  std::vector<Tool> tools;        // that may be called
  ToolChoice tool_choice;
  std::string tools_json;  // as the chat template is given them; empty: none
  // What response_format wants; the server makes a constraint of it.
  std::optional<Grammar> format;
  GenerateOptions options = {};  // without end tokens
  int32_t choices = 1;           // n
  bool stream = false, include_usage = false;
  int32_t logprobs = -1;  // candidates for each token; -1: none are asked for
};

// The JSON object that a request's body is. Throws ApiError.
nlohmann::ordered_json parse_body(std::string_view body);
// Token ids, of which none is negative. Throws ApiError about `key`.
std::vector<int32_t> parse_ids(const nlohmann::ordered_json& value,
                               const char* key);
// Throws ApiError.
std::vector<Message> parse_messages(const nlohmann::ordered_json& list);

// Throws ApiError for what is no such request, and for what it asks that is not
// built: nothing is left out silently.
CompletionRequest parse_completion(std::string_view body, bool chat);

}  // namespace seodang
