#include "tokenizer/chat_template.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "jinja/evaluator.h"
#include "jinja/parser.h"

namespace seodang {
namespace {

// The tree of the template that this thread ran last: preparing examples runs
// one template many thousand times.
std::shared_ptr<const jinja::Body> parsed(std::string_view source) {
  static thread_local std::string last_source;
  static thread_local std::shared_ptr<const jinja::Body> last;
  if (!last || last_source != source) {
    last = std::make_shared<const jinja::Body>(jinja::parse(source));
    last_source = source;
  }
  return last;
}

jinja::Value value_of(std::string_view json) {
  return jinja::from_json(nlohmann::ordered_json::parse(json));
}

}  // namespace

const std::tm kTemplateDay = [] {
  std::tm day{};
  day.tm_year = 2024 - 1900;
  day.tm_mon = 6;
  day.tm_mday = 26;
  day.tm_hour = 12;
  day.tm_wday = 5;
  day.tm_yday = 207;
  return day;
}();

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm out{};
  localtime_r(&now, &out);
  return out;
}

void parse_call_arguments(nlohmann::ordered_json& tool_calls) {
  using nlohmann::ordered_json;
  if (!tool_calls.is_array()) return;
  for (ordered_json& call : tool_calls) {
    if (!call.is_object()) continue;
    ordered_json& function =
        call.contains("function") ? call["function"] : call;
    if (!function.is_object() || !function.contains("arguments") ||
        !function["arguments"].is_string())
      continue;
    try {
      ordered_json inner = parse_ordered_json(
          function["arguments"].get_ref<const std::string&>(), "arguments");
      if (inner.is_object()) function["arguments"] = std::move(inner);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a text, then
    }
  }
}

std::string render_chat(std::string_view jinja_template,
                        std::span<const Message> messages,
                        bool add_generation_prompt, std::string_view bos_token,
                        std::string_view eos_token, const std::tm& now,
                        std::string_view tools) {
  const auto body = parsed(jinja_template);
  std::vector<jinja::Value> turns;
  for (const Message& message : messages) {
    jinja::Dict turn;
    turn.set("role", message.role);
    turn.set("content", message.content);
    if (!message.more.empty()) {
      const jinja::Value more = value_of(message.more);
      for (const auto& [key, value] : more.dict().entries) turn.set(key, value);
    }
    turns.emplace_back(std::move(turn));
  }
  // transformers always passes tools and documents.
  return jinja::evaluate(
      *body,
      {{"messages", std::move(turns)},
       {"tools", tools.empty() ? jinja::Value(jinja::None{}) : value_of(tools)},
       {"documents", jinja::None{}},
       {"add_generation_prompt", add_generation_prompt},
       {"bos_token", bos_token},
       {"eos_token", eos_token}},
      now);
}

std::string render_chat(std::string_view jinja_template,
                        const nlohmann::ordered_json& variables,
                        const std::tm& now) {
  const auto body = parsed(jinja_template);
  const jinja::Value given = jinja::from_json(variables);
  std::vector<std::pair<std::string, jinja::Value>> globals = {
      {"tools", jinja::None{}}, {"documents", jinja::None{}}};
  for (const auto& [name, value] : given.dict().entries)
    globals.emplace_back(name.string(), value);
  return jinja::evaluate(*body, globals, now);
}

}  // namespace seodang
