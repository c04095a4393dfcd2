// What OpenAI's API answers, in JSON
// (platform.openai.com/docs/api-reference, Completions and Chat).
#pragma once

#include <cstdint>
#include <ctime>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "generate/generation.h"
#include "serve/remote_model.h"
#include "serve/request.h"
#include "serve/tool_calls.h"

namespace seodang {

// One response: its id and date, and the model as the client calls it.
struct ResponseHead {
  std::string id, model;
  std::time_t created = 0;
  bool chat = false;
};

// {"id", "piece"}: what a token writes; its bytes where those are no text (as
// llama.cpp's server has it).
nlohmann::ordered_json piece_json(int32_t id, const Tokenizer& tokenizer);

nlohmann::ordered_json usage_of(int64_t prompt_tokens,
                                int64_t completion_tokens);
// The whole answer; `choices` in the order of their index.
std::string completion_json(const ResponseHead& head,
                            const CompletionRequest& request,
                            const std::vector<Generation>& choices,
                            const Tokenizer& tokenizer);

// An answer of another server, of which there are no tokens.
std::string remote_json(const ResponseHead& head, const RemoteAnswer& answer);

// Pieces of a stream, each one event's data.
// The first of a chat's choice: who speaks.
std::string role_chunk(const ResponseHead& head, int32_t index);
// A token and the text that it made certain.
std::string token_chunk(const ResponseHead& head,
                        const CompletionRequest& request, int32_t index,
                        const Choice& choice, std::string_view text,
                        const Tokenizer& tokenizer);
// Text that no token came with: what was held back as it might be a call.
std::string text_chunk(const ResponseHead& head, int32_t index,
                       std::string_view text);
std::string tool_calls_chunk(const ResponseHead& head, int32_t index,
                             const std::vector<ToolCall>& calls);
std::string end_chunk(const ResponseHead& head, int32_t index,
                      StopReason reason, bool calls_tools);
std::string usage_chunk(const ResponseHead& head, int64_t prompt_tokens,
                        int64_t completion_tokens);

}  // namespace seodang
