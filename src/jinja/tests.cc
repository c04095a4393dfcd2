#include <map>

#include "base/error.h"
#include "jinja/builtins.h"
#include "jinja/python_string.h"

namespace seodang::jinja {
namespace {

using V = const Value&;
using A = const Arguments&;

using Test = bool (*)(const Value& value, const Arguments& arguments);

const Value& other(const Arguments& arguments) {
  if (arguments.positional.empty()) throw Error("a test needs an argument");
  const Value& value = arguments.positional[0];
  arguments.budget.charge(value.weight());
  return value;
}

std::string charged_text(const Value& value, const Arguments& arguments) {
  arguments.budget.charge(value.weight());
  return to_text(value);
}

bool divides(const Value& value, int64_t by) {
  if (by == 0) throw Error("division by zero");
  return by == -1 || value.integer() % by == 0;
}

const std::map<std::string, Test>& tests() {
  static const Test same = [](V v, A a) { return equal(v, other(a)); };
  static const Test differs = [](V v, A a) { return !equal(v, other(a)); };
  static const Test smaller = [](V v, A a) { return less(v, other(a)); };
  static const Test greater = [](V v, A a) { return less(other(a), v); };
  static const Test at_most = [](V v, A a) { return !less(other(a), v); };
  static const Test at_least = [](V v, A a) { return !less(v, other(a)); };
  static const std::map<std::string, Test> table = {
      {"boolean", [](V v, A) { return v.is_bool(); }},
      {"callable", [](V v, A) { return v.is_function(); }},
      {"defined", [](V v, A) { return !v.is_undefined(); }},
      {"divisibleby", [](V v, A a) { return divides(v, other(a).integer()); }},
      {"eq", same},
      {"equalto", same},
      {"even", [](V v, A) { return divides(v, 2); }},
      {"false", [](V v, A) { return v.is_bool() && !v.truthy(); }},
      {"float", [](V v, A) { return v.is_float(); }},
      {"ge", at_least},
      {"greaterthan", greater},
      {"gt", greater},
      {"in", [](V v, A a) { return contains(other(a), v); }},
      {"integer", [](V v, A) { return v.is_int() || v.is_large(); }},
      {"iterable",
       [](V v, A) {
         return v.is_list() || v.is_dict() || v.is_string() || v.is_undefined();
       }},
      {"le", at_most},
      {"lessthan", smaller},
      {"lower",
       [](V v, A a) { return consists_of(charged_text(v, a), Kind::lower); }},
      {"lt", smaller},
      {"mapping", [](V v, A) { return v.is_dict(); }},
      {"ne", differs},
      {"none", [](V v, A) { return v.is_none(); }},
      {"number", [](V v, A) { return v.is_number(); }},
      {"odd", [](V v, A) { return !divides(v, 2); }},
      {"sequence",
       [](V v, A) {
         return (v.is_list() && !v.is_generator()) || v.is_dict() ||
                v.is_string() || v.is_undefined();
       }},
      {"sameas",
       [](V v, A a) {
         return v.data().index() == other(a).data().index() &&
                equal(v, other(a));
       }},
      {"string", [](V v, A) { return v.is_string(); }},
      {"true", [](V v, A) { return v.is_bool() && v.truthy(); }},
      {"undefined", [](V v, A) { return v.is_undefined(); }},
      {"upper",
       [](V v, A a) { return consists_of(charged_text(v, a), Kind::upper); }},
  };
  return table;
}

}  // namespace

bool apply_test(const std::string& name, const Value& value,
                const Arguments& arguments) {
  const auto found = tests().find(name);
  if (found == tests().end()) throw Error("test '{}' is not supported", name);
  return found->second(value, arguments);
}

}  // namespace seodang::jinja
