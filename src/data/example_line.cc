#include "data/example_line.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <tuple>

#include "data/clean.h"
#include "data/conversations.h"
#include "data/json_line.h"

namespace seodang {
namespace {

namespace dom = simdjson::dom;
using nlohmann::ordered_json;

// Every key that examples are read from.
constexpr std::array<std::string_view, 13> kKeys = {
    "instruction", "input",    "information",   "output", "system",
    "history",     "messages", "conversations", "prompt", "completion",
    "chosen",      "rejected", "tools"};

constexpr char kUser[] = "user", kAssistant[] = "assistant",
               kSystem[] = "system", kTool[] = "tool";

struct Role {
  std::string_view name;
  const char* role;
};
// Those of OpenAI and Hugging Face, of ShareGPT and of LLaMA-Factory.
constexpr Role kRoles[] = {
    {"user", kUser},     {"human", kUser},       {"assistant", kAssistant},
    {"gpt", kAssistant}, {"model", kAssistant},  {"function_call", kAssistant},
    {"system", kSystem}, {"developer", kSystem}, {"tool", kTool},
    {"function", kTool}, {"observation", kTool}};

const char* role_named(std::string_view name) {
  for (const Role& role : kRoles)
    if (role.name == name) return role.role;
  return nullptr;
}

bool is_answer(const Message& message) { return message.role == kAssistant; }

// It says something, if only that a tool is to be called.
bool says_nothing(const Message& message) {
  return message.content.empty() && message.more.empty();
}

// Null, "", [] and {}: nothing that could get lost.
bool is_empty(dom::element value) {
  std::string_view text;
  dom::array list;
  dom::object object;
  return value.is_null() || (!value.get(text) && text.empty()) ||
         (!value.get(list) && list.size() == 0) ||
         (!value.get(object) && object.size() == 0);
}

ordered_json json_of(dom::element value) {
  return ordered_json::parse(simdjson::minify(value));
}

}  // namespace

ExampleColumns parse_columns(std::string_view text) {
  ExampleColumns out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    if (equals == pair.npos || equals + 1 == pair.size())
      throw UsageError(
          "columns: \"{}\" is not KEY=NAME, as in instruction=question", pair);
    if (std::ranges::find(kKeys, key) == kKeys.end())
      throw UsageError("columns: \"{}\" is not a key; there are {}", key,
                       fmt::join(kKeys, ", "));
    out.insert_or_assign(std::string(key), pair.substr(equals + 1));
  }
  return out;
}

std::vector<Message> ExampleLine::messages() const {
  for (const ListShape& shape : {kMessages, kShareGpt}) {
    Element list;
    if (find(shape.list, list)) return message_list(shape, list);
  }
  if (has("instruction")) return answered_by(instruction(), "output");
  if (has("prompt")) return answered_by(text("prompt"), "completion");
  throw Error(
      "{}: none of the known shapes; wanted are the keys instruction and "
      "output, messages, conversations, or prompt and completion; --columns "
      "instruction=NAME,output=NAME says what they are called here",
      where_);
}

std::pair<std::vector<Message>, std::vector<Message>> ExampleLine::preference()
    const {
  auto chosen = answered("chosen", prompt());
  auto rejected = answered("rejected", prompt());
  const auto parts = [](const Message& m) {
    return std::tie(m.role, m.content, m.more);
  };
  if (!std::ranges::equal(std::span(chosen).first(chosen.size() - 1),
                          std::span(rejected).first(rejected.size() - 1), {},
                          parts, parts))
    throw Error("{}: \"chosen\" and \"rejected\" answer different prompts",
                where_);
  return {std::move(chosen), std::move(rejected)};
}

std::string ExampleLine::tools() const {
  Element value;
  if (!find("tools", value) || is_empty(value)) return "";
  std::string_view inside;
  // Some sets keep the list as text.
  const ordered_json tools = value.get(inside)
                                 ? json_of(value)
                                 : ordered_json::parse(inside, nullptr, false);
  if (!tools.is_array())
    throw Error("{}: \"tools\" is not a list of descriptions", where_);
  return tools.dump();
}

std::set<std::string> ExampleLine::unread() const {
  std::set<std::string> out = unread_of_messages_;
  for (const auto& field : line_)
    if (!read_.contains(field.key) && !is_empty(field.value))
      out.emplace(field.key);
  return out;
}

bool ExampleLine::find(std::string_view key, Element& value) const {
  const auto renamed = columns_.find(key);
  const std::string_view name =
      renamed == columns_.end() ? key : std::string_view(renamed->second);
  if (line_[name].get(value)) return false;
  read_.emplace(name);
  return true;
}

bool ExampleLine::has(std::string_view key) const {
  Element value;
  return find(key, value);
}

std::string ExampleLine::text(std::string_view key) const {
  Element value;
  if (!find(key, value)) throw Error("{}: missing key \"{}\"", where_, key);
  return clean_text(json_string(value, fmt::format("\"{}\"", key), where_));
}

std::string ExampleLine::text_if_any(std::string_view key) const {
  Element value;
  return !find(key, value) || value.is_null() ? "" : text(key);
}

std::string ExampleLine::answer(std::string_view key) const {
  std::string out = text(key);
  if (out.empty()) throw Error("{}: \"{}\" is empty", where_, key);
  return out;
}

std::string ExampleLine::instruction() const {
  std::string information = text_if_any("input");
  if (information.empty()) information = text_if_any("information");
  return instruction_prompt(text("instruction"), information);
}

// What precedes the prompt: Alpaca's "system" and "history", pairs of question
// and answer, which are read and not learned.
std::vector<Message> ExampleLine::before() const {
  std::vector<Message> out;
  if (std::string system = text_if_any("system"); !system.empty())
    out.push_back({kSystem, std::move(system)});
  Element history;
  if (!find("history", history) || history.is_null()) return out;
  dom::array pairs;
  if (history.get(pairs)) throw Error("{}: \"history\" must be a list", where_);
  for (const Element pair : pairs) {
    Element question, answer;
    if (pair.at(0).get(question) || pair.at(1).get(answer))
      throw Error("{}: \"history\" must hold pairs of question and answer",
                  where_);
    out.push_back(
        {kUser, clean_text(json_string(question, "\"history\"", where_))});
    out.push_back(
        {.role = kAssistant,
         .content = clean_text(json_string(answer, "\"history\"", where_)),
         .is_learned = false});
  }
  return out;
}

std::vector<Message> ExampleLine::answered_by(
    std::string prompt, std::string_view answer_key) const {
  std::vector<Message> out = before();
  out.push_back({kUser, std::move(prompt)});
  out.push_back({kAssistant, text(answer_key)});
  if (says_nothing(out.back())) out.clear();
  return out;
}

std::vector<Message> ExampleLine::message_list(const ListShape& shape,
                                               Element list) const {
  std::vector<Message> out = turns(shape, list, shape.list);
  if (std::ranges::none_of(out, is_answer))
    throw Error("{}: \"{}\" holds no answer of the assistant", where_,
                shape.list);
  // ShareGPT and LLaMA-Factory keep it beside the list.
  if (std::string system = text_if_any("system");
      !system.empty() && out.front().role != kSystem)
    out.insert(out.begin(), {kSystem, std::move(system)});
  if (std::ranges::none_of(out, [](const Message& message) {
        return is_answer(message) && message.is_learned;
      }))
    out.clear();
  return out;
}

std::vector<Message> ExampleLine::turns(const ListShape& shape, Element element,
                                        std::string_view name) const {
  dom::array list;
  if (element.get(list)) throw Error("{}: \"{}\" must be a list", where_, name);
  std::vector<Message> out;
  for (const Element item : list)
    out.push_back(
        message(shape, item, fmt::format("\"{}\"[{}]", name, out.size())));
  return out;
}

// What both answers of a pair follow; empty where they bring it themselves.
std::vector<Message> ExampleLine::prompt() const {
  for (const ListShape& shape : {kMessages, kShareGpt}) {
    Element list;
    if (find(shape.list, list)) return turns(shape, list, shape.list);
  }
  Element prompt;
  const bool has_prompt = find("prompt", prompt);
  if (has_prompt && prompt.is_array())
    return turns(shape_of(prompt), prompt, "prompt");
  if (!has("instruction") && !has_prompt) return {};
  std::vector<Message> out = before();
  out.push_back({kUser, has("instruction") ? instruction() : text("prompt")});
  return out;
}

// Of a message, or of a list's first.
const ExampleLine::ListShape& ExampleLine::shape_of(Element element) {
  Element first = element;
  if (element.is_array() && element.at(0).get(first)) return kMessages;
  return first.is_object() && first["from"].error() == simdjson::SUCCESS
             ? kShareGpt
             : kMessages;
}

std::vector<Message> ExampleLine::answered(const char* key,
                                           std::vector<Message> prompt) const {
  Element element;
  if (!find(key, element)) throw Error("{}: missing key \"{}\"", where_, key);
  if (element.is_array()) {
    std::vector<Message> list = turns(shape_of(element), element, key);
    // Without a beginning of their own they follow the prompt.
    const bool whole = !list.empty() && !is_answer(list[0]);
    if (whole) prompt.clear();
    std::ranges::move(list, std::back_inserter(prompt));
  } else if (element.is_object()) {
    prompt.push_back(
        message(shape_of(element), element, fmt::format("\"{}\"", key)));
  } else {
    prompt.push_back({kAssistant, answer(key)});
  }
  if (prompt.empty() || !is_answer(prompt.back()) ||
      says_nothing(prompt.back()))
    throw Error("{}: \"{}\" does not end with an answer of the assistant",
                where_, key);
  if (prompt.size() < 2)
    throw Error(
        "{}: no prompt that \"{}\" answers; wanted are the keys "
        "prompt, chosen and rejected",
        where_, key);
  return prompt;
}

Message ExampleLine::message(const ListShape& shape, Element item,
                             const std::string& path) const {
  const auto member = [&](const char* key) {
    Element value;
    if (item[key].get(value))
      throw Error("{}: missing key {}.{}", where_, path, key);
    return value;
  };
  const auto name = [&](const char* key) {
    return fmt::format("{}.{}", path, key);
  };
  const std::string_view role =
      json_string(member(shape.role), name(shape.role), where_);
  const char* known = role_named(role);
  if (known == nullptr)
    throw Error(
        "{}: {}.{} is \"{}\"; known are system, user (human), assistant (gpt), "
        "function_call and tool (observation)",
        where_, path, shape.role, role);
  Message out = {known, ""};
  ordered_json more = ordered_json::object();
  for (const auto& [key, value] : item.get_object()) {
    if (key == shape.role || key == shape.content) continue;
    if (key == "weight") {
      double weight = 0;
      if (value.get(weight) || (weight != 0 && weight != 1))
        throw Error("{}: {} must be 0 or 1", where_, name("weight"));
      out.is_learned = weight == 1;
    } else if (key == "tool_calls" || key == "tool_call_id" || key == "name" ||
               key == "reasoning_content") {
      if (!is_empty(value)) more[std::string(key)] = json_of(value);
    } else if (!is_empty(value)) {
      unread_of_messages_.insert(fmt::format("{}[].{}", shape.list, key));
    }
  }
  if (more.contains("tool_calls")) parse_call_arguments(more["tool_calls"]);
  // Beside calls there need be no text.
  Element content;
  const bool calls = more.contains("tool_calls");
  if (calls && (item[shape.content].get(content) || content.is_null()))
    more["content"] = nullptr;
  else
    out.content = clean_text(
        json_string(member(shape.content), name(shape.content), where_));
  if (role == "function_call") {
    const ordered_json call = ordered_json::parse(out.content, nullptr, false);
    if (!call.is_object() || !call.contains("name"))
      throw Error("{}: {} is not a call {{\"name\": ..., \"arguments\": ...}}",
                  where_, name(shape.content));
    more["tool_calls"] = {{{"type", "function"}, {"function", call}}};
    parse_call_arguments(more["tool_calls"]);
    more["content"] = nullptr;
    out.content.clear();
  }
  if (!more.empty()) out.more = more.dump();
  // An answer of no words is none.
  if (is_answer(out) && says_nothing(out)) out.is_learned = false;
  return out;
}

}  // namespace seodang
