// A Jinja template as tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace seodang::jinja {

struct Token {
  enum class Kind {
    text,         // between tags
    block_begin,  // {%
    block_end,
    output_begin,  // {{
    output_end,
    name,
    string,  // unescaped
    integer,
    real,
    symbol,  // operators and brackets
    end
  };
  Kind kind;
  std::string text;
  int line;
};

// White space is controlled as transformers sets it: trim_blocks and
// lstrip_blocks on, the template's last newline dropped, "-" and "+" in tags.
// The last token is `end`. Throws Error "chat template, line N: …".
std::vector<Token> tokenize(std::string_view source);

}  // namespace seodang::jinja
