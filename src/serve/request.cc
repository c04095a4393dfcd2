#include "serve/request.h"

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
#include "grammar/json_schema.h"

namespace seodang {
namespace {

// Properties of a schema have an order.
using json = nlohmann::ordered_json;

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

// A call of a past answer, as the client got it.
void check_calls(const json& calls, const std::string& where) {
  for (const json& call : calls) {
    const json function =
        call.is_object() ? call.value("function", json()) : json();
    if (!function.is_object() || !function.value("name", json()).is_string() ||
        !function.value("arguments", json()).is_string())
      refuse(fmt::format("{}.tool_calls must be a list of calls, each of a "
                         "function with name and arguments",
                         where),
             "messages");
  }
}

// Reads the content into `message`; returns what the template is given beside.
std::string more_of(const json& item, Message& message,
                    const std::string& where) {
  const bool is_answer = message.role == "assistant";
  json more = json::object();
  for (const auto& [key, value] : item.items()) {
    if (value.is_null() || (value.is_array() && value.empty())) continue;
    if (key == "role" || key == "content" || key == "refusal") continue;
    const bool is_known =
        (key == "name" && value.is_string()) ||
        (key == "tool_call_id" && message.role == "tool" &&
         value.is_string()) ||
        (key == "tool_calls" && is_answer && value.is_array());
    if (!is_known)
      refuse(fmt::format("{}.{} is not supported", where,
                         replace_invalid_utf8(key.substr(0, 60))),
             "messages");
    more[key] = value;
  }
  const bool calls = more.contains("tool_calls");
  if (calls) {
    check_calls(more["tool_calls"], where);
    parse_call_arguments(more["tool_calls"]);
  }
  const json content = item.value("content", json());
  if (calls && content.is_null())
    more["content"] = nullptr;
  else
    message.content = content_of(content, where + ".content");
  return more.empty() ? "" : more.dump();
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

void read_prompt(const json& value, CompletionRequest& out) {
  const bool is_list = value.is_array() && !value.empty();
  if (is_list && value[0].is_number()) {
    out.prompt_ids = parse_ids(value, "prompt");
    return;
  }
  const json& text = is_list && value.size() == 1 ? value[0] : value;
  if (!text.is_string())
    refuse("prompt must be one text, or the ids of its tokens", "prompt");
  out.prompt = text.get<std::string>();
}

std::optional<Grammar> format_of(const json& value) {
  constexpr char kKey[] = "response_format";
  if (value.is_null()) return std::nullopt;
  const json type = value.is_object() ? value.value("type", json()) : json();
  if (type == "text") return std::nullopt;
  if (type != "json_object" && type != "json_schema")
    refuse("response_format.type must be text, json_object or json_schema",
           kKey);
  json schema = {{"type", "object"}};
  if (type == "json_schema") {
    const json inner = value.value("json_schema", json());
    if (!inner.is_object() || !inner.contains("schema"))
      refuse("response_format.json_schema has no schema", kKey);
    schema = inner["schema"];
  }
  try {
    return json_schema_grammar(schema, "schema");
  } catch (const Error& error) {
    refuse(error.what(), kKey);
  }
}

void read_tools(RequestReader& read, CompletionRequest& out) {
  ToolChoice& choice = out.tool_choice;
  const json& wanted = read.value("tool_choice");
  const json& list = read.value("tools");
  choice.parallel = read.value("parallel_tool_calls").is_null() ||
                    read.flag("parallel_tool_calls");
  if (wanted == "none") choice.mode = ToolChoice::Mode::none;
  if (wanted == "required") choice.mode = ToolChoice::Mode::required;
  if (wanted.is_object()) {
    const json function = wanted.value("function", json());
    const json name =
        function.is_object() ? function.value("name", json()) : json();
    if (!name.is_string())
      refuse("tool_choice.function.name must be a string", "tool_choice");
    choice.mode = ToolChoice::Mode::required;
    choice.name = name.get<std::string>();
    choice.parallel = false;
  } else if (!wanted.is_null() && wanted != "none" && wanted != "required" &&
             wanted != "auto") {
    refuse("tool_choice must be none, auto, required, or a function",
           "tool_choice");
  }
  if (list.is_null() || list == json::array()) {
    if (choice.mode == ToolChoice::Mode::required)
      refuse("tool_choice needs tools", "tool_choice");
    return;
  }
  if (!list.is_array()) refuse("tools must be a list", "tools");
  for (const json& item : list) {
    const std::string where = fmt::format("tools[{}]", out.tools.size());
    const json function =
        item.is_object() ? item.value("function", json()) : json();
    if (!function.is_object() || item.value("type", json()) != "function" ||
        !function.value("name", json()).is_string())
      refuse(where + " must be a function with a name", "tools");
    const json parameters = function.value("parameters", json());
    out.tools.push_back({function["name"].get<std::string>(),
                         parameters.is_null() ? "" : parameters.dump()});
  }
  if (!choice.name.empty() &&
      std::ranges::find(out.tools, choice.name, &Tool::name) == out.tools.end())
    refuse(fmt::format("tool_choice: there is no tool {}",
                       seodang::quoted(choice.name)),
           "tool_choice");
  if (choice.mode == ToolChoice::Mode::none)
    out.tools.clear();
  else
    out.tools_json = list.dump();
}

}  // namespace

json parse_body(std::string_view body) {
  try {
    json parsed = parse_ordered_json(body, "body");
    if (parsed.is_object()) return parsed;
  } catch (const Error& error) {
    throw ApiError(kBadRequest, error.what());
  }
  throw ApiError(kBadRequest, "the body is not a JSON object");
}

std::vector<Message> parse_messages(const json& list) {
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
    message.more = more_of(item, message, where);
    out.push_back(std::move(message));
  }
  return out;
}

std::vector<int32_t> parse_ids(const json& value, const char* key) {
  const auto is_id = [](const json& id) {
    return id.is_number_unsigned() && id.get<uint64_t>() <= INT32_MAX;
  };
  if (!value.is_array() || !std::ranges::all_of(value, is_id))
    refuse(fmt::format("{} must be a list of token ids", key), key);
  return value.get<std::vector<int32_t>>();
}

CompletionRequest parse_completion(std::string_view body, bool chat) {
  constexpr int64_t kMostChoices = 16, kMostTop = 20, kMostTopK = 1 << 24;
  const json parsed = parse_body(body);
  RequestReader read(parsed);
  CompletionRequest out;
  out.chat = chat;
  out.model = read.text("model", "");
  GenerateOptions& o = out.options;
  if (chat) {
    out.messages = parse_messages(read.value("messages"));
    const int64_t limit =
        read.integer("max_tokens", 1, kMostNewTokens, kMostNewTokens);
    o.max_new_tokens =
        read.integer("max_completion_tokens", 1, kMostNewTokens, limit);
    const bool wanted = read.flag("logprobs");
    const int64_t top = read.integer("top_logprobs", 0, kMostTop, 0);
    if (top > 0 && !wanted) refuse("top_logprobs needs logprobs", "logprobs");
    if (wanted) out.logprobs = static_cast<int32_t>(top);
    read_tools(read, out);
    out.format = format_of(read.value("response_format"));
    if (out.format && !out.tools.empty())
      refuse("response_format beside tools is not supported",
             "response_format");
    read.only("functions", {json::array()});
    read.only("modalities", {{"text"}});
  } else {
    read_prompt(read.value("prompt"), out);
    o.max_new_tokens = read.integer("max_tokens", 1, kMostNewTokens, 16);
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
      static_cast<int32_t>(read.integer("top_k", 0, kMostTopK, 0));
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
  read.ignore({"user", "metadata", "store", "service_tier", "safety_identifier",
               "prompt_cache_key"});
  read.refuse_others();
  return out;
}

}  // namespace seodang
