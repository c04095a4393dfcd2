// One JSON object, one line: what .jsonl files are made of.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace seodang {

// `where` is "file:line". Throws Error when `line` is not a JSON object. The
// result is valid until the parser's next use.
inline simdjson::dom::object parse_json_line(simdjson::dom::parser& parser,
                                             std::string_view line,
                                             std::string_view where) {
  simdjson::dom::element element;
  const auto error = parser.parse(line.data(), line.size()).get(element);
  if (error)
    throw Error("{}: broken JSON: {}", where, simdjson::error_message(error));
  simdjson::dom::object object;
  if (element.get(object))
    throw Error("{}: each line must be a JSON object, {{...}}", where);
  return object;
}

// The string under `key`; `path` is how an error names it.
inline std::string_view json_string(const simdjson::dom::element& element,
                                    std::string_view path,
                                    std::string_view where) {
  std::string_view text;
  if (element.get(text)) throw Error("{}: {} must be a string", where, path);
  return text;
}

}  // namespace seodang
