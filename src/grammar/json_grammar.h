// JSON (RFC 8259) as parts of a grammar.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace seodang {

struct NumberRange {
  std::optional<int64_t> least, most;
  bool above_least = false, below_most = false;  // the limit itself is left out
};

// Between its tokens there may be a space or a new line with its indentation,
// and numbers have up to 16 digits: a model that does not know how to go on
// shall not go on for ever.
class JsonGrammar {
 public:
  using Node = Grammar::Node;

  // The grammar must outlive it.
  explicit JsonGrammar(Grammar& grammar);

  Node any_value() const { return any_value_; }
  Node any_object() const { return any_object_; }
  // One value, written as it is.
  Node exactly(const nlohmann::ordered_json& value);
  Node integer(const NumberRange& range = {});
  Node number(const NumberRange& range = {});
  // Of `least` to `most` characters.
  Node string(int32_t least = 0, int32_t most = Grammar::kUnlimited);
  // A string that is none of these.
  Node string_but(const std::vector<std::string>& texts);
  // Within a string: as they are, or escaped where they have to be.
  Node characters(std::span<const CodePoints> any_of);

  Node space() const { return space_; }  // what may stand between two tokens
  Node comma() const { return comma_; }  // with space
  Node colon() const { return colon_; }
  // `inside` between brackets, with space.
  Node enclosed(char open, Node inside, char close);

 private:
  Node digits(size_t least, size_t most);
  // Whole numbers from `least` to `most`, neither below 0.
  Node whole(int64_t least, int64_t most);
  // Of 0 and more.
  Node magnitude(const NumberRange& range, bool is_whole);
  Node in_range(const NumberRange& range, bool is_whole);

  Grammar& grammar_;
  Node space_, comma_, colon_, any_character_, any_value_, any_object_;
};

}  // namespace seodang
