#include "serve/api.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <utility>

#include "base/utf8.h"
#include "formats/json.h"
#include "formats/json_object.h"

namespace seodang {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kBadRequest = 400;

[[noreturn]] void refuse(const std::string& message, const char* key) {
  throw ApiError(kBadRequest, message, key);
}

// Reads the keys of a request; those that nobody asks about are refused.
class RequestReader {
 public:
  explicit RequestReader(const json& object) : body_(object) {}

  const json& value(const char* key) {
    read_.emplace_back(key);
    static const json none;
    const auto found = body_.find(key);
    return found == body_.end() ? none : *found;
  }
  bool has(const char* key) { return !value(key).is_null(); }

  std::string text(const char* key, const char* otherwise = nullptr) {
    const json& given = value(key);
    if (given.is_null() && otherwise != nullptr) return otherwise;
    if (!given.is_string())
      refuse(fmt::format("{} must be a string", key), key);
    return given.get<std::string>();
  }
  bool flag(const char* key) {
    const json& given = value(key);
    if (!given.is_null() && !given.is_boolean())
      refuse(fmt::format("{} must be true or false", key), key);
    return given.is_boolean() && given.get<bool>();
  }
  double number(const char* key, double least, double most, double otherwise) {
    const json& given = value(key);
    if (given.is_null()) return otherwise;
    if (!given.is_number() || !(given.get<double>() >= least) ||
        !(given.get<double>() <= most))
      refuse(fmt::format("{} must be a number from {} to {}", key, least, most),
             key);
    return given.get<double>();
  }
  int64_t integer(const char* key, int64_t least, int64_t most,
                  int64_t otherwise) {
    const json& given = value(key);
    if (given.is_null()) return otherwise;
    // Nothing above int64_t's largest gets here as a negative number.
    const bool fits = given.is_number_integer() &&
                      (!given.is_number_unsigned() ||
                       given.get<uint64_t>() <= static_cast<uint64_t>(most)) &&
                      given.get<int64_t>() >= least &&
                      given.get<int64_t>() <= most;
    if (!fits)
      refuse(fmt::format("{} must be a whole number from {} to {}", key, least,
                         most),
             key);
    return given.get<int64_t>();
  }
  // Absent, or what does nothing.
  void only(const char* key, std::initializer_list<json> neutral) {
    const json& given = value(key);
    if (!given.is_null() &&
        std::find(neutral.begin(), neutral.end(), given) == neutral.end())
      refuse(fmt::format("{} = {} is not supported", key, shown(given)), key);
  }
  void ignore(std::initializer_list<const char*> keys) {
    read_.insert(read_.end(), keys.begin(), keys.end());
  }
  void refuse_others() const {
    for (const auto& [key, given] : body_.items())
      if (!given.is_null() && std::ranges::find(read_, key) == read_.end())
        throw ApiError(kBadRequest,
                       fmt::format("{} is not supported", shown(key)),
                       replace_invalid_utf8(key.substr(0, 60)));
  }

 private:
  const json& body_;
  std::vector<std::string> read_;
};

// Text, or parts of which each is text.
std::string content_of(const json& value, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array())
    refuse(fmt::format("{} must be a text or a list of texts", where),
           "messages");
  std::string out;
  for (const json& part : value) {
    if (!part.is_object() || part.value("type", json()) != "text" ||
        !part.value("text", json()).is_string())
      refuse(fmt::format("{} holds what is not text", where), "messages");
    out += part["text"].get<std::string>();
  }
  return out;
}

std::vector<Message> messages_of(const json& list) {
  constexpr std::array kRoles = {"system", "user", "assistant", "tool"};
  if (!list.is_array() || list.empty())
    refuse("messages must be a list of messages", "messages");
  std::vector<Message> out;
  for (const json& item : list) {
    const std::string where = fmt::format("messages[{}]", out.size());
    if (!item.is_object() || !item.value("role", json()).is_string())
      refuse(where + " has no role", "messages");
    Message message;
    message.role = item["role"].get<std::string>();
    if (message.role == "developer") message.role = "system";
    if (std::ranges::find(kRoles, message.role) == kRoles.end())
      refuse(fmt::format("{}.role = {} is not supported", where,
                         shown(item["role"])),
             "messages");
    for (const auto& [key, value] : item.items())
      if (key != "role" && key != "content" && key != "name" &&
          !value.is_null() && !(value.is_array() && value.empty()))
        refuse(fmt::format("{}.{} is not supported", where,
                           replace_invalid_utf8(key.substr(0, 60))),
               "messages");
    message.content =
        content_of(item.value("content", json()), where + ".content");
    if (item.value("name", json()).is_string())
      message.more = ordered_json{{"name", item["name"]}}.dump();
    out.push_back(std::move(message));
  }
  return out;
}

std::vector<std::string> stops_of(const json& value) {
  std::vector<std::string> out;
  if (value.is_null()) return out;
  for (const json& stop : value.is_array() ? value : json::array({value})) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty())
      refuse("stop must be a text or a list of texts", "stop");
    out.push_back(stop.get<std::string>());
  }
  return out;
}

std::string prompt_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array() && value.size() == 1 && value[0].is_string())
    return value[0].get<std::string>();
  refuse("prompt must be one text", "prompt");
}

const char* finish_reason(StopReason reason) {
  return reason == StopReason::length ? "length" : "stop";
}

// Bytes may be half a character: "bytes" has them as they are.
ordered_json token_json(int32_t id, float logprob, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_bytes(id);
  ordered_json list = ordered_json::array();
  for (const char byte : bytes) list.push_back(static_cast<uint8_t>(byte));
  return {{"token", replace_invalid_utf8(bytes)},
          {"logprob", logprob},
          {"bytes", std::move(list)}};
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
          {"text_offset", offsets}};
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

std::string chunk(const ResponseHead& head, ordered_json choice) {
  ordered_json out = head_json(head, "chat.completion.chunk");
  out["choices"].push_back(std::move(choice));
  return out.dump();
}

}  // namespace

std::string ApiError::body() const {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? ordered_json() : ordered_json(text);
  };
  const bool ours = status_ >= 500;
  return ordered_json{
      {"error",
       {{"message", replace_invalid_utf8(what())},
        {"type", ours ? "server_error" : "invalid_request_error"},
        {"param", or_null(parameter_)},
        {"code", or_null(code_)}}}}
      .dump();
}

json parse_body(std::string_view body) {
  try {
    json parsed = parse_json(body, "body");
    if (parsed.is_object()) return parsed;
  } catch (const Error& error) {
    throw ApiError(kBadRequest, error.what());
  }
  throw ApiError(kBadRequest, "the body is not a JSON object");
}

CompletionRequest parse_completion(std::string_view body, bool chat) {
  constexpr int64_t kMostTokens = 1 << 24, kMostChoices = 16, kMostTop = 20;
  const json parsed = parse_body(body);
  RequestReader read(parsed);
  CompletionRequest out;
  out.chat = chat;
  out.model = read.text("model", "");
  GenerateOptions& o = out.options;
  if (chat) {
    out.messages = messages_of(read.value("messages"));
    const int64_t limit =
        read.integer("max_tokens", 1, kMostTokens, kMostTokens);
    o.max_new_tokens =
        read.integer("max_completion_tokens", 1, kMostTokens, limit);
    const bool wanted = read.flag("logprobs");
    const int64_t top = read.integer("top_logprobs", 0, kMostTop, 0);
    if (top > 0 && !wanted) refuse("top_logprobs needs logprobs", "logprobs");
    if (wanted) out.logprobs = static_cast<int32_t>(top);
    read.only("response_format", {{{"type", "text"}}});
    read.only("tools", {json::array()});
    read.only("tool_choice", {"none", "auto"});
    read.only("functions", {json::array()});
    read.only("modalities", {{"text"}});
  } else {
    out.prompt = prompt_of(read.value("prompt"));
    o.max_new_tokens = read.integer("max_tokens", 1, kMostTokens, 16);
    out.logprobs =
        static_cast<int32_t>(read.integer("logprobs", 0, kMostTop, -1));
    read.only("echo", {false});
    read.only("suffix", {""});
    read.only("best_of",
              {read.value("n").is_null() ? json(1) : read.value("n")});
  }
  o.top = std::max(out.logprobs, 0);
  o.sampler.temperature = read.number("temperature", 0, 2, 1);
  o.sampler.top_p = read.number("top_p", 1e-6, 1, 1);
  o.sampler.presence_penalty = read.number("presence_penalty", -2, 2, 0);
  o.sampler.frequency_penalty = read.number("frequency_penalty", -2, 2, 0);
  // Beyond OpenAI's, as llama.cpp's and vLLM's servers have them.
  o.sampler.top_k =
      static_cast<int32_t>(read.integer("top_k", 0, kMostTokens, 0));
  o.sampler.min_p = read.number("min_p", 0, 1, 0);
  o.sampler.repetition_penalty =
      read.number("repetition_penalty", 0.01, 100, 1);
  o.sampler.seed =
      static_cast<uint64_t>(read.integer("seed", INT64_MIN, INT64_MAX, 0));
  if (!read.has("seed")) o.sampler.seed = std::random_device()();
  o.stop = stops_of(read.value("stop"));
  out.choices = static_cast<int32_t>(read.integer("n", 1, kMostChoices, 1));
  out.stream = read.flag("stream");
  const json& stream_options = read.value("stream_options");
  if (!stream_options.is_null()) {
    if (!stream_options.is_object())
      refuse("stream_options must be an object", "stream_options");
    RequestReader inner(stream_options);
    out.include_usage = inner.flag("include_usage");
    inner.ignore({"include_obfuscation"});
    inner.refuse_others();
  }
  read.only("logit_bias", {json::object()});
  // What changes no answer.
  read.ignore({"user", "metadata", "store", "service_tier",
               "parallel_tool_calls", "safety_identifier", "prompt_cache_key"});
  read.refuse_others();
  return out;
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
    if (head.chat)
      choice["message"] = {{"role", "assistant"},
                           {"content", generation.text},
                           {"refusal", nullptr}};
    else
      choice["text"] = generation.text;
    choice["logprobs"] = logprobs_of(request, generation.tokens, tokenizer);
    choice["finish_reason"] = finish_reason(generation.stop);
    out["choices"].push_back(std::move(choice));
  }
  out["usage"] = usage_of(choices.at(0).prompt_tokens, completion_tokens);
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

std::string end_chunk(const ResponseHead& head, int32_t index,
                      StopReason reason) {
  ordered_json out = {{"index", index}};
  if (head.chat)
    out["delta"] = ordered_json::object();
  else
    out["text"] = "";
  out["logprobs"] = nullptr;
  out["finish_reason"] = finish_reason(reason);
  return chunk(head, std::move(out));
}

std::string usage_chunk(const ResponseHead& head, int64_t prompt_tokens,
                        int64_t completion_tokens) {
  ordered_json out = head_json(head, "chat.completion.chunk");
  out["usage"] = usage_of(prompt_tokens, completion_tokens);
  return out.dump();
}

}  // namespace seodang
