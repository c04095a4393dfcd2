#include "tokenizer/encoded_chat.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

std::string_view content_of(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? std::string_view() : tokenizer.token_bytes(id);
}

bool may_end_turn(const Tokenizer& tokenizer, int32_t id) {
  if (tokenizer.is_special(id)) return true;
  const std::vector<int32_t> ends = tokenizer.end_of_turn_ids();
  return std::find(ends.begin(), ends.end(), id) != ends.end();
}

// Messages whose special tokens are marked by a character that stands before
// each; the mark goes through the template with the text.
class MarkedMessages {
 public:
  MarkedMessages(const Tokenizer& tokenizer, std::span<const Message> messages,
                 const ChatOptions& options)
      : messages_(messages.begin(), messages.end()),
        tools_(options.tools),
        mark_(unused(messages, options.tools)) {
    for (Message& message : messages_) {
      message.content = replace_invalid_utf8(message.content);
      if (options.parse_special) continue;
      mark(tokenizer, message.content);
      mark_texts(tokenizer, message.more);
    }
    if (!options.parse_special) mark_texts(tokenizer, tools_);
  }

  std::span<const Message> messages() const { return messages_; }
  const std::string& tools() const { return tools_; }

  // Takes the marks out of a text; `literal` is told where they stood.
  std::string unmarked(std::string_view text,
                       std::vector<size_t>& literal) const {
    std::string out;
    for (size_t at = 0;;) {
      const size_t next = text.find(mark_, at);
      out += text.substr(at, next - at);
      if (next == text.npos) return out;
      literal.push_back(out.size());
      at = next + mark_.size();
    }
  }

 private:
  void mark(const Tokenizer& tokenizer, std::string& text) const {
    const auto offsets = tokenizer.special_offsets(text);
    for (auto at = offsets.rbegin(); at != offsets.rend(); ++at)
      text.insert(*at, mark_);
  }
  void mark_texts(const Tokenizer& tokenizer,
                  nlohmann::ordered_json& value) const {
    if (value.is_string())
      mark(tokenizer, value.get_ref<std::string&>());
    else if (value.is_structured())
      for (auto& inner : value) mark_texts(tokenizer, inner);
  }
  void mark_texts(const Tokenizer& tokenizer, std::string& json) const {
    if (json.empty()) return;
    auto value = nlohmann::ordered_json::parse(json);
    mark_texts(tokenizer, value);
    json = value.dump();
  }

  // The first of Unicode's noncharacters (The Unicode Standard, 23.7) that no
  // message has.
  static std::string unused(std::span<const Message> messages,
                            std::string_view tools) {
    for (char32_t c = 0xFDD0;; ++c) {
      std::string mark;
      append_utf8(mark, c);
      const auto has_mark = [&](std::string_view text) {
        return text.find(mark) != text.npos;
      };
      if (!has_mark(tools) &&
          std::ranges::none_of(messages, [&](const Message& message) {
            return has_mark(message.content) || has_mark(message.more);
          }))
        return mark;
    }
  }

  std::vector<Message> messages_;
  std::string tools_;
  std::string mark_;
};

// A text and where special tokens in it are text.
struct Rendered {
  std::string text;
  std::vector<size_t> literal;

  void add(const Rendered& more) {
    for (const size_t at : more.literal) literal.push_back(text.size() + at);
    text += more.text;
  }
};

class Renderer {
 public:
  Renderer(const Tokenizer& tokenizer, std::span<const Message> messages,
           const ChatOptions& options)
      : tokenizer_(tokenizer),
        marked_(tokenizer, messages, options),
        now_(options.now) {
    if (tokenizer.chat_template().empty())
      throw Error("the tokenizer has no chat template; give the model one");
  }

  Rendered first(size_t count, bool add_generation_prompt) const {
    return unmarked(
        render_chat(tokenizer_.chat_template(), marked_.messages().first(count),
                    add_generation_prompt,
                    content_of(tokenizer_, tokenizer_.bos_token_id()),
                    content_of(tokenizer_, tokenizer_.eos_token_id()), now_,
                    marked_.tools()));
  }
  Rendered content(size_t message) const {
    return unmarked(marked_.messages()[message].content);
  }

 private:
  Rendered unmarked(std::string_view text) const {
    Rendered out;
    out.text = replace_invalid_utf8(marked_.unmarked(text, out.literal));
    return out;
  }

  const Tokenizer& tokenizer_;
  MarkedMessages marked_;
  std::tm now_;
};

// Parts of the text, every other one of which is an output, as tokens.
EncodedChat encode_parts_of(const Tokenizer& tokenizer, const std::string& text,
                            const TextMarks& marks) {
  EncodedChat out;
  out.outputs = std::ssize(marks.cuts) / 2;
  bool is_output = false;
  for (const auto& part : tokenizer.encode_parts(text, marks)) {
    out.tokens.insert(out.tokens.end(), part.begin(), part.end());
    out.is_output.resize(out.tokens.size(), is_output ? 1 : 0);
    if (is_output) {  // up to the token that ends the turn
      const auto end =
          std::find_if(part.rbegin(), part.rend(),
                       [&](int32_t id) { return may_end_turn(tokenizer, id); });
      if (end != part.rend())
        std::fill_n(out.is_output.rbegin(), end - part.rbegin(), 0);
    }
    is_output = !is_output;
  }
  return out;
}

}  // namespace

EncodedChat encode_chat(const Tokenizer& tokenizer,
                        std::span<const Message> messages,
                        const ChatOptions& options) {
  const Renderer renderer(tokenizer, messages, options);
  const Rendered whole =
      renderer.first(messages.size(), options.add_generation_prompt);
  const std::string& text = whole.text;
  TextMarks marks{.literal = whole.literal, .cuts = {}};
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant" || !messages[i].is_learned) continue;
    const bool is_all =
        i + 1 == messages.size() && !options.add_generation_prompt;
    const std::string before = renderer.first(i, true).text,
                      after = is_all ? text : renderer.first(i + 1, false).text;
    const size_t done = marks.cuts.empty() ? 0 : marks.cuts.back();
    if (before.size() < done || after.size() < before.size() ||
        !text.starts_with(after) || !after.starts_with(before))
      continue;
    marks.cuts.insert(marks.cuts.end(), {before.size(), after.size()});
  }
  return encode_parts_of(tokenizer, text, marks);
}

EncodedChat encode_answer(const Tokenizer& tokenizer,
                          std::span<const Message> messages,
                          const Message& answer, const ChatOptions& options) {
  std::vector<Message> all(messages.begin(), messages.end());
  all.push_back(answer);
  const Renderer renderer(tokenizer, all, options);
  Rendered text = renderer.first(messages.size(), true);
  const Rendered given = renderer.first(all.size(), false);
  const size_t begin = text.text.size();
  if (given.text.starts_with(text.text)) {
    text = given;
  } else {
    const Rendered content = renderer.content(messages.size());
    const size_t at = given.text.rfind(content.text);
    if (content.text.empty() || at == std::string::npos)
      throw Error("the chat template does not write the answer's text");
    text.add(content);
    text.text += given.text.substr(at + content.text.size());
  }
  return encode_parts_of(
      tokenizer, text.text,
      {.literal = text.literal, .cuts = {begin, text.text.size()}});
}

int32_t end_of_answer(const Tokenizer& tokenizer) {
  const Message question{"user", "1+1?"};
  const EncodedChat chat =
      encode_answer(tokenizer, {&question, 1}, {"assistant", "2"});
  size_t last = chat.tokens.size();
  while (last > 0 && !chat.is_output[last - 1]) --last;
  if (last == 0) return -1;
  const int32_t id = chat.tokens[last - 1];
  return may_end_turn(tokenizer, id) ? id : -1;
}

}  // namespace seodang
