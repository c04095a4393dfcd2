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

// A piece of a choice: what is new in its message, or in its text.
std::string chunk(const ResponseHead& head, int32_t index, ordered_json delta,
                  ordered_json logprobs = nullptr,
                  ordered_json reason = nullptr) {
  ordered_json out = head_json(head, "chat.completion.chunk");
  out["choices"].push_back({{"index", index},
                            {head.chat ? "delta" : "text", std::move(delta)},
                            {"logprobs", std::move(logprobs)},
                            {"finish_reason", std::move(reason)}});
  return out.dump();
}

ordered_json delta_of(const ResponseHead& head, std::string_view text) {
  return head.chat ? ordered_json{{"content", text}} : ordered_json(text);
}

// A whole choice; `calls` of a chat, which may stand instead of text.
ordered_json choice_json(const ResponseHead& head, int32_t index,
                         const std::string& text,
                         const std::vector<ToolCall>& calls,
                         ordered_json logprobs, StopReason stop) {
  ordered_json out = {{"index", index}};
  if (head.chat) {
    const bool only_calls = text.empty() && !calls.empty();
    out["message"] = {
        {"role", "assistant"},
        {"content", only_calls ? ordered_json() : ordered_json(text)},
        {"refusal", nullptr}};
    if (!calls.empty())
      out["message"]["tool_calls"] = calls_json(head, index, calls);
  } else {
    out["text"] = text;
  }
  out["logprobs"] = std::move(logprobs);
  out["finish_reason"] = finish_reason(stop, !calls.empty());
  return out;
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
    ToolCallParser parser(request.tools);
    std::string text = generation.text;
    if (!request.tools.empty()) {
      text = parser.push(text);
      text += parser.finish();
    }
    out["choices"].push_back(choice_json(
        head, static_cast<int32_t>(out["choices"].size()), text, parser.calls(),
        logprobs_of(request, generation.tokens, tokenizer), generation.stop));
  }
  out["usage"] = usage_of(choices.at(0).prompt_tokens, completion_tokens);
  return out.dump();
}

std::string remote_json(const ResponseHead& head, const RemoteAnswer& answer) {
  ordered_json out = head_json(head, "chat.completion");
  out["choices"].push_back(
      choice_json(head, 0, answer.text, {}, nullptr, answer.stop));
  out["usage"] = usage_of(answer.prompt_tokens, answer.completion_tokens);
  return out.dump();
}

std::string role_chunk(const ResponseHead& head, int32_t index) {
  return chunk(head, index, {{"role", "assistant"}, {"content", ""}});
}

std::string token_chunk(const ResponseHead& head,
                        const CompletionRequest& request, int32_t index,
                        const Choice& choice, std::string_view text,
                        const Tokenizer& tokenizer) {
  return chunk(head, index, delta_of(head, text),
               logprobs_of(request, {&choice, 1}, tokenizer));
}

std::string text_chunk(const ResponseHead& head, int32_t index,
                       std::string_view text) {
  return chunk(head, index, delta_of(head, text));
}

std::string tool_calls_chunk(const ResponseHead& head, int32_t index,
                             const std::vector<ToolCall>& calls) {
  ordered_json list = calls_json(head, index, calls);
  for (size_t i = 0; i < list.size(); ++i) list[i]["index"] = i;
  return chunk(head, index, {{"tool_calls", std::move(list)}});
}

std::string end_chunk(const ResponseHead& head, int32_t index,
                      StopReason reason, bool calls_tools) {
  return chunk(head, index,
               head.chat ? ordered_json::object() : ordered_json(""), nullptr,
               finish_reason(reason, calls_tools));
}

std::string usage_chunk(const ResponseHead& head, int64_t prompt_tokens,
                        int64_t completion_tokens) {
  ordered_json out = head_json(head, "chat.completion.chunk");
  out["usage"] = usage_of(prompt_tokens, completion_tokens);
  return out.dump();
}

}  // namespace seodang
