// The filters, tests, methods and functions that templates find ready-made.
#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

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
Value element(const Value& value, const Value& index, Budget& budget);

// What a loop or a list-taking filter sees: a list's items, a mapping's keys,
// a text's characters.
std::vector<Value> iterate(const Value& value, Budget& budget);

// A text or list repeated, within the budget.
Value repeat(const Value& value, int64_t times, Budget& budget);

// Python's "pattern" % values, with %s, %d, %i, %f, %r and %%.
Value printf_text(const std::string& pattern, const std::vector<Value>& values,
                  Budget& budget);
// "pattern".format(…), with {}, {0}, {name} and {{ }}, without format
// specifications.
Value format_text(const std::string& pattern, const Arguments& arguments);

// range, namespace, dict, raise_exception, and strftime_now, which tells `now`.
std::vector<std::pair<std::string, Value>> builtin_functions(
    const std::tm& now);

}  // namespace seodang::jinja
