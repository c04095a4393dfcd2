// One example, a JSON object, as the messages that it holds.
#pragma once

#include <simdjson.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/chat_template.h"

namespace seodang {

// What a key is called in the files, by the name that it has here.
using ExampleColumns = std::map<std::string, std::string, std::less<>>;
// Of "instruction=question,output=answer". Throws UsageError.
ExampleColumns parse_columns(std::string_view text);

// Reads an object of one of the shapes of data/conversations.h. Remembers which
// of its keys it read, to tell of the others. Throws Error, each beginning with
// `where`.
class ExampleLine {
 public:
  // All must outlive this.
  ExampleLine(simdjson::dom::object line, const std::string& where,
              const ExampleColumns& columns)
      : line_(line), where_(where), columns_(columns) {}

  // Empty where an answer, or every answer, has no text.
  std::vector<Message> messages() const;
  // Chosen and rejected.
  std::pair<std::vector<Message>, std::vector<Message>> preference() const;
  // The descriptions of tools, a list of JSON; empty for none.
  std::string tools() const;
  // Keys that hold something and were not read, those of messages as
  // "messages[].key".
  std::set<std::string> unread() const;

 private:
  // The names under which the two kinds of message lists keep their turns.
  struct ListShape {
    const char *list, *role, *content;
  };
  static constexpr ListShape kMessages = {"messages", "role", "content"};
  static constexpr ListShape kShareGpt = {"conversations", "from", "value"};
  using Element = simdjson::dom::element;

  static const ListShape& shape_of(Element element);
  bool find(std::string_view key, Element& value) const;
  bool has(std::string_view key) const;
  std::string text(std::string_view key) const;
  std::string text_if_any(std::string_view key) const;
  std::string answer(std::string_view key) const;
  std::string instruction() const;
  std::vector<Message> before() const;
  std::vector<Message> answered_by(std::string prompt,
                                   std::string_view answer_key) const;
  std::vector<Message> message_list(const ListShape& shape, Element list) const;
  std::vector<Message> turns(const ListShape& shape, Element list,
                             std::string_view name) const;
  std::vector<Message> prompt() const;
  std::vector<Message> answered(const char* key,
                                std::vector<Message> prompt) const;
  Message message(const ListShape& shape, Element item,
                  const std::string& path) const;

  simdjson::dom::object line_;
  const std::string& where_;
  const ExampleColumns& columns_;
  mutable std::set<std::string, std::less<>> read_;
  mutable std::set<std::string> unread_of_messages_;
};

}  // namespace seodang
