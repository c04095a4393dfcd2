// Running a parsed Jinja template.
#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "jinja/ast.h"

namespace seodang::jinja {

// The text that `template_body` writes, with `globals` and the built-in
// functions by name, at the moment `now`. Throws Error "chat template, line N:
// …" for what fails, and when the template runs too long or its texts grow too
// large (Budget).
std::string evaluate(const Body& template_body,
                     const std::vector<std::pair<std::string, Value>>& globals,
                     const std::tm& now);

}  // namespace seodang::jinja
