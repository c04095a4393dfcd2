// The operators of Jinja expressions, as Python defines them.
#pragma once

#include <string>

#include "jinja/value.h"

namespace seodang::jinja {

// + - * / // % ** and ~ (texts joined). Throws Error for types that do not go
// together, a division by zero, or a result too large.
Value binary(const std::string& symbol, const Value& a, const Value& b,
             Budget& budget);
Value negate(const Value& value);

// == != < > <= >= in, not in.
bool holds(const std::string& symbol, const Value& a, const Value& b,
           Budget& budget);

// value[start:stop:step] of a list or text; none where left out.
Value slice(const Value& value, const Value& start, const Value& stop,
            const Value& step, Budget& budget);

}  // namespace seodang::jinja
