// Jinja's grammar.
#pragma once

#include <string_view>

#include "jinja/ast.h"

namespace seodang::jinja {

// Throws Error "chat template, line N: …" for what is malformed or a tag that
// is not supported.
Body parse(std::string_view source);

}  // namespace seodang::jinja
