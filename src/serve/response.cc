#include "serve/response.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "base/hash.h"
#include "base/utf8.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

const char* finish_reason(StopReason reason, bool calls_tools) {
  if (calls_tools && reason != StopReason::length) return "tool_calls";
  return reason == StopReason::length ? "length" : "stop";
}

ordered_json bytes_json(std::string_view bytes) {
  ordered_json out = ordered_json::array();
  for (const char byte : bytes) out.push_back(static_cast<uint8_t>(byte));
  return out;
}

// Bytes may be half a character: "bytes" has them as they are.
ordered_json token_json(int32_t id, float logprob, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_bytes(id);
  return {{"token", replace_invalid_utf8(bytes)},
          {"logprob", logprob},
          {"bytes", bytes_json(bytes)},
          {"id", id}};
}

ordered_json chat_logprobs(std::span<const Choice> tokens,
                           const Tokenizer& tokenizer) {
  ordered_json content = ordered_json::array();
  for (const Choice& choice : tokens) {
    ordered_json token = token_json(choice.id, choice.logprob, tokenizer);
    token["top_logprobs"] = ordered_json::array();
    for (const Candidate& candidate : choice.top)
      token["top_logprobs"].push_back(
          token_json(candidate.id, candidate.logprob, tokenizer));
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}};
}

ordered_json text_logprobs(std::span<const Choice> tokens,
                           const Tokenizer& tokenizer) {
  ordered_json texts = ordered_json::array(), logprobs = texts, top = texts,
               offsets = texts;
  size_t offset = 0;
  for (const Choice& choice : tokens) {
    const std::string text =
        replace_invalid_utf8(tokenizer.token_bytes(choice.id));
    texts.push_back(text);
    logprobs.push_back(choice.logprob);
    offsets.push_back(offset);
    offset += static_cast<size_t>(std::ranges::count_if(
        text, [](char byte) { return (byte & 0xC0) != 0x80; }));
    ordered_json candidates = ordered_json::object();
    for (const Candidate& candidate : choice.top)
      candidates[replace_invalid_utf8(tokenizer.token_bytes(candidate.id))] =
          candidate.logprob;
    top.push_back(std::move(candidates));
  }
  return {{"tokens", texts},
          {"token_logprobs", logprobs},
          {"top_logprobs", top},
          {"text_offset", offsets},
          // As llama.cpp's server has it beside.
          {"content", chat_logprobs(tokens, tokenizer)["content"]}};
}

ordered_json logprobs_of(const CompletionRequest& request,
                         std::span<const Choice> tokens,
                         const Tokenizer& tokenizer) {
  if (request.logprobs < 0) return nullptr;
  return request.chat ? chat_logprobs(tokens, tokenizer)
                      : text_logprobs(tokens, tokenizer);
}

ordered_json head_json(const ResponseHead& head, const char* chat_object) {
  return {{"id", head.id},
          {"object", head.chat ? chat_object : "text_completion"},
          {"created", head.created},
          {"model", head.model},
          {"choices", ordered_json::array()}};
}

// Mistral's template wants ids of nine letters and digits.
std::string call_id(const ResponseHead& head, int32_t choice, size_t call) {
  return to_hex(hash_bytes(fmt::format("{}-{}-{}", head.id, choice, call)))
      .substr(0, 9);
}

ordered_json calls_json(const ResponseHead& head, int32_t choice,
                        const std::vector<ToolCall>& calls) {
  ordered_json out = ordered_json::array();
  for (const ToolCall& call : calls)
    out.push_back(
        {{"id", call_id(head, choice, out.size())},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  return out;
}

std::string chunk(const ResponseHead& head, ordered_json choice) {
  ordered_json out = head_json(head, "chat.completion.chunk");
  out["choices"].push_back(std::move(choice));
  return out.dump();
}

}  // namespace

ordered_json piece_json(int32_t id, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_bytes(id);
  return {
      {"id", id},
      {"piece", find_invalid_utf8(bytes) == bytes.npos ? ordered_json(bytes)
                                                       : bytes_json(bytes)}};
}

ordered_json usage_of(int64_t prompt_tokens, int64_t completion_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens}};
}

std::string completion_json(const ResponseHead& head,
                            const CompletionRequest& request,
                            const std::vector<Generation>& choices,
                            const Tokenizer& tokenizer) {
  ordered_json out = head_json(head, "chat.completion");
  int64_t completion_tokens = 0;
  for (const Generation& generation : choices) {
    completion_tokens += std::ssize(generation.tokens);
    ordered_json choice = {{"index", out["choices"].size()}};
    ToolCallReader reader(request.tools);
    if (head.chat) {
      std::string text = generation.text;
      if (!request.tools.empty()) {
        text = reader.push(text);
        text += reader.finish();
      }
      const bool calls = !reader.calls().empty();
      choice["message"] = {
          {"role", "assistant"},
          {"content",
           calls && text.empty() ? ordered_json() : ordered_json(text)},
          {"refusal", nullptr}};
      if (calls)
        choice["message"]["tool_calls"] = calls_json(
            head, static_cast<int32_t>(out["choices"].size()), reader.calls());
    } else {
      choice["text"] = generation.text;
    }
    choice["logprobs"] = logprobs_of(request, generation.tokens, tokenizer);
    choice["finish_reason"] =
        finish_reason(generation.stop, !reader.calls().empty());
    out["choices"].push_back(std::move(choice));
  }
  out["usage"] = usage_of(choices.at(0).prompt_tokens, completion_tokens);
  return out.dump();
}

std::string relayed_json(const ResponseHead& head, const RemoteAnswer& answer) {
  ordered_json out = head_json(head, "chat.completion");
  ordered_json choice = {{"index", 0}};
  if (head.chat)
    choice["message"] = {
        {"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}};
  else
    choice["text"] = answer.text;
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_reason(answer.stop, false);
  out["choices"].push_back(std::move(choice));
  out["usage"] = usage_of(answer.prompt_tokens, answer.completion_tokens);
  return out.dump();
}

std::string role_chunk(const ResponseHead& head, int32_t index) {
  return chunk(head, {{"index", index},
                      {"delta", {{"role", "assistant"}, {"content", ""}}},
                      {"logprobs", nullptr},
                      {"finish_reason", nullptr}});
}

std::string token_chunk(const ResponseHead& head,
                        const CompletionRequest& request, int32_t index,
                        const Choice& choice, std::string_view text,
                        const Tokenizer& tokenizer) {
  ordered_json out = {{"index", index}};
  if (head.chat)
    out["delta"] = {{"content", text}};
  else
    out["text"] = text;
  out["logprobs"] = logprobs_of(request, {&choice, 1}, tokenizer);
  out["finish_reason"] = nullptr;
  return chunk(head, std::move(out));
}

std::string text_chunk(const ResponseHead& head, int32_t index,
                       std::string_view text) {
  ordered_json out = {{"index", index}};
  if (head.chat)
    out["delta"] = {{"content", text}};
  else
    out["text"] = text;
  out["logprobs"] = nullptr;
  out["finish_reason"] = nullptr;
  return chunk(head, std::move(out));
}

std::string tool_calls_chunk(const ResponseHead& head, int32_t index,
                             const std::vector<ToolCall>& calls) {
  ordered_json list = calls_json(head, index, calls);
  for (size_t i = 0; i < list.size(); ++i) list[i]["index"] = i;
  return chunk(head, {{"index", index},
                      {"delta", {{"tool_calls", std::move(list)}}},
                      {"logprobs", nullptr},
                      {"finish_reason", nullptr}});
}

std::string end_chunk(const ResponseHead& head, int32_t index,
                      StopReason reason, bool calls_tools) {
  ordered_json out = {{"index", index}};
  if (head.chat)
    out["delta"] = ordered_json::object();
  else
    out["text"] = "";
  out["logprobs"] = nullptr;
  out["finish_reason"] = finish_reason(reason, calls_tools);
  return chunk(head, std::move(out));
}

std::string usage_chunk(const ResponseHead& head, int64_t prompt_tokens,
                        int64_t completion_tokens) {
  ordered_json out = head_json(head, "chat.completion.chunk");
  out["usage"] = usage_of(prompt_tokens, completion_tokens);
  return out.dump();
}

}  // namespace seodang
