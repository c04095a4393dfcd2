// The filters, tests, methods and functions that templates find ready-made.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tokenizer/jinja_value.h"

namespace seodang::jinja {

// {{ input | name(arguments) }}. Throws Error for a filter that is not
// supported.
Value apply_filter(const std::string& name, const Value& input,
                   const Arguments& arguments);

// {% if value is name(arguments) %}
bool apply_test(const std::string& name, const Value& value,
                const Arguments& arguments);

// value.name: a method, or the entry of a mapping; undefined if neither.
Value attribute(const Value& value, const std::string& name);

// value[index]; undefined when there is no such element.
Value element(const Value& value, const Value& index);

// What a loop or a list-taking filter sees: a list's items, a mapping's keys,
// a text's characters.
std::vector<Value> iterate(const Value& value);

// text repeated, within the budget.
Value repeat(const Value& text, int64_t times, Budget& budget);

// range, namespace, dict, raise_exception.
std::vector<std::pair<std::string, Value>> builtin_functions();

}  // namespace seodang::jinja
