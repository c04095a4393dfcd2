#include "serve/tool_calls.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "formats/json.h"
#include "grammar/json_grammar.h"
#include "grammar/json_schema.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
constexpr std::string_view kListToken = "[TOOL_CALLS]";
constexpr std::string_view kSpaces = " \t\r\n";

// A call as either kind of family writes it.
bool read_call(const ordered_json& value, ToolCall& out) {
  if (!value.is_object() || !value.contains("name") ||
      !value["name"].is_string())
    return false;
  for (const char* key : {"arguments", "parameters"}) {
    if (!value.contains(key)) continue;
    const ordered_json& arguments = value[key];
    out.name = value["name"].get<std::string>();
    out.arguments =
        arguments.is_string() ? arguments.get<std::string>() : arguments.dump();
    return true;
  }
  return false;
}

// The JSON of a model, or null: it may be anything.
ordered_json parsed_or_null(std::string_view text) {
  try {
    return parse_ordered_json(text, "answer");
  } catch (const Error&) {
    return nullptr;
  }
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
}

// Where the object that `text` begins with ends; npos where it does not.
size_t end_of_object(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return text.npos;
}

}  // namespace

ToolCallFormat tool_call_format(std::string_view chat_template) {
  if (chat_template.find(kOpen) != chat_template.npos)
    return ToolCallFormat::tagged;
  if (chat_template.find(kListToken) != chat_template.npos)
    return ToolCallFormat::list;
  return ToolCallFormat::object;
}

std::string_view tool_call_begin(ToolCallFormat format) {
  return format == ToolCallFormat::list ? kListToken : "";
}

Grammar tool_call_grammar(ToolCallFormat format, const std::vector<Tool>& tools,
                          const ToolChoice& choice) {
  Grammar g;
  JsonGrammar json(g);
  const char* key =
      format == ToolCallFormat::object ? "\"parameters\"" : "\"arguments\"";
  std::vector<Grammar::Node> calls;
  for (const Tool& tool : tools) {
    if (!choice.name.empty() && tool.name != choice.name) continue;
    const Grammar::Node arguments =
        tool.parameters.empty()
            ? json.any_object()
            : add_json_schema(g, json, ordered_json::parse(tool.parameters),
                              "tools." + tool.name + ".parameters");
    calls.push_back(g.sequence(
        {g.literal("{\"name\": "), json.exactly(tool.name), g.literal(", "),
         g.literal(key), g.literal(": "), arguments, g.literal("}")}));
  }
  const Grammar::Node call = g.choice(std::move(calls));
  const int32_t more = choice.parallel ? Grammar::kUnlimited : 0;
  switch (format) {
    case ToolCallFormat::tagged: {
      const auto tagged = g.sequence({g.literal(kOpen), g.literal("\n"), call,
                                      g.literal("\n"), g.literal(kClose)});
      g.set_root(g.sequence(
          {tagged, g.repeat(g.sequence({g.literal("\n"), tagged}), 0, more)}));
      break;
    }
    case ToolCallFormat::list:
      g.set_root(
          g.sequence({g.optional(g.literal(" ")), g.literal("["), call,
                      g.repeat(g.sequence({g.literal(", "), call}), 0, more),
                      g.literal("]")}));
      break;
    case ToolCallFormat::object:
      g.set_root(g.sequence(
          {call, g.repeat(g.sequence({g.literal("; "), call}), 0, more)}));
  }
  return g;
}

std::string ToolCallParser::push(std::string_view text) {
  held_ += text;
  if (in_calls_) return "";
  if (!any_text_) {
    const size_t first = held_.find_first_not_of(kSpaces);
    if (first == held_.npos) return "";
    if (held_[first] == '{' || held_[first] == '[') {
      in_calls_ = true;
      return "";
    }
  }
  size_t end = held_.find(kOpen);
  if (end != held_.npos) {
    in_calls_ = true;
  } else {
    // The longest end that begins a tag.
    size_t size = std::min(kOpen.size() - 1, held_.size());
    while (!std::string_view(held_).ends_with(kOpen.substr(0, size))) --size;
    end = held_.size() - size;
  }
  std::string out = held_.substr(0, end);
  held_.erase(0, end);
  // The space before a call is none of an answer.
  if (in_calls_ && !any_text_ && trimmed(out).empty()) return "";
  any_text_ = any_text_ || !out.empty();
  return out;
}

std::string ToolCallParser::finish() {
  if (in_calls_ && (held_.starts_with(kOpen) ? read_tagged() : read_json()))
    return "";
  return std::exchange(held_, "");
}

bool ToolCallParser::read_tagged() {
  std::string_view left = trimmed(held_);
  while (!left.empty()) {
    if (!left.starts_with(kOpen)) return false;
    const size_t close = std::min(left.find(kClose), left.size());
    ToolCall call;
    if (!read_call(
            parsed_or_null(left.substr(kOpen.size(), close - kOpen.size())),
            call)) {
      // Calls that are complete are calls; one that was cut off stays text.
      held_ = std::string(left);
      return false;
    }
    calls_.push_back(std::move(call));
    left.remove_prefix(std::min(left.size(), close + kClose.size()));
    left = trimmed(left);
  }
  return true;
}

// Objects of known names: other JSON is an answer.
bool ToolCallParser::read_json() {
  std::vector<ToolCall> calls;
  const auto add = [&](const ordered_json& value) {
    ToolCall call;
    if (!read_call(value, call) ||
        std::ranges::find(tools_, call.name, &Tool::name) == tools_.end())
      return false;
    calls.push_back(std::move(call));
    return true;
  };
  std::string_view left = trimmed(held_);
  while (!left.empty()) {
    const size_t end = end_of_object(left);
    if (end == left.npos) return false;
    const ordered_json value = parsed_or_null(left.substr(0, end));
    if (value.is_array() ? value.empty() || !std::ranges::all_of(value, add)
                         : !add(value))
      return false;
    left = trimmed(left.substr(end));
    if (left.starts_with(';') || left.starts_with(','))
      left = trimmed(left.substr(1));
  }
  calls_ = std::move(calls);
  return true;
}

}  // namespace seodang
