#include "jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "jinja/builtins.h"
#include "jinja/python_string.h"

namespace seodang::jinja {
namespace {

[[noreturn]] void mismatch(const std::string& symbol, const Value& a,
                           const Value& b) {
  for (const Value* value : {&a, &b})
    if (const auto* undefined = std::get_if<Undefined>(&value->data()))
      throw Error("'{}' is undefined", undefined->name);
  throw Error("{} {} {} is not defined", a.type_name(), symbol, b.type_name());
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t out = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(out, base, &out))
      throw Error("a number is too large");
  return out;
}

Value whole_arithmetic(const std::string& symbol, int64_t a, int64_t b) {
  int64_t out = 0;
  bool overflow = false;
  if (symbol == "+") {
    overflow = __builtin_add_overflow(a, b, &out);
  } else if (symbol == "-") {
    overflow = __builtin_sub_overflow(a, b, &out);
  } else if (symbol == "*") {
    overflow = __builtin_mul_overflow(a, b, &out);
  } else if (symbol == "**") {
    if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
    return power(a, b);
  } else {
    if (b == 0) throw Error("division by zero");
    if (symbol == "/") return static_cast<double>(a) / static_cast<double>(b);
    overflow = a == INT64_MIN && b == -1;
    if (!overflow) {
      // Python rounds down, C++ towards zero.
      const bool down = a % b != 0 && (a % b < 0) != (b < 0);
      out = symbol == "//" ? a / b - down : a % b + (down ? b : 0);
    }
  }
  if (overflow) throw Error("a number is too large");
  return out;
}

Value real_arithmetic(const std::string& symbol, double a, double b) {
  if (symbol == "+") return a + b;
  if (symbol == "-") return a - b;
  if (symbol == "*") return a * b;
  if (symbol == "**") return std::pow(a, b);
  if (b == 0) throw Error("division by zero");
  if (symbol == "/") return a / b;
  if (symbol == "//") return std::floor(a / b);
  return a - b * std::floor(a / b);
}

Value joined(std::string a, const std::string& b, Budget& budget) {
  budget.charge(a.size() + b.size());
  a += b;
  return a;
}

// value[start:stop], without a look at each character's place.
Value string_slice(const std::string& text, const Value& start,
                   const Value& stop) {
  const int64_t size = count_characters(text);
  auto at = [&](const Value& end, int64_t otherwise) {
    if (end.is_none()) return otherwise;
    const int64_t given = end.integer();
    return given < 0 ? std::max(given, -size) + size : std::min(given, size);
  };
  return substring(text, at(start, 0), at(stop, size));
}

}  // namespace

Value binary(const std::string& symbol, const Value& a, const Value& b,
             Budget& budget) {
  if (symbol == "~") {
    budget.charge(a.weight() + b.weight());
    return joined(to_text(a), to_text(b), budget);
  }
  if ((a.is_int() || a.is_bool()) && (b.is_int() || b.is_bool()))
    return whole_arithmetic(symbol, a.integer(), b.integer());
  if (a.is_number() && b.is_number())
    return real_arithmetic(symbol, a.number(), b.number());
  if (symbol == "+" && a.is_string() && b.is_string())
    return joined(a.string(), b.string(), budget);
  if (symbol == "+" && a.is_list() && b.is_list()) {
    budget.charge(32 * (a.list().size() + b.list().size()));
    if (a.is_generator() || a.is_tuple() != b.is_tuple())
      mismatch(symbol, a, b);
    std::vector<Value> items = a.list();
    items.insert(items.end(), b.list().begin(), b.list().end());
    return a.is_tuple() ? Value::tuple(std::move(items))
                        : Value(std::move(items));
  }
  if (symbol == "*" && (a.is_string() || a.is_list()) && b.is_int())
    return repeat(a, b.integer(), budget);
  if (symbol == "*" && a.is_int() && (b.is_string() || b.is_list()))
    return repeat(b, a.integer(), budget);
  if (symbol == "%" && a.is_string())
    return printf_text(a.string(),
                       b.is_tuple() ? b.list() : std::vector<Value>{b}, budget);
  mismatch(symbol, a, b);
}

Value negate(const Value& value) {
  if (value.is_float()) return -value.number();
  return whole_arithmetic("-", 0, value.integer());
}

bool holds(const std::string& symbol, const Value& a, const Value& b,
           Budget& budget) {
  if (symbol == "in" || symbol == "not in") {
    budget.charge(b.is_dict() ? 0 : b.weight());
    return contains(b, a) == (symbol == "in");
  }
  budget.charge(std::min(a.weight(), b.weight()));
  if (symbol == "==") return equal(a, b);
  if (symbol == "!=") return !equal(a, b);
  if (symbol == "<") return less(a, b);
  if (symbol == ">") return less(b, a);
  return symbol == "<=" ? !less(b, a) : !less(a, b);
}

Value slice(const Value& value, const Value& start, const Value& stop,
            const Value& step, Budget& budget) {
  if (value.is_generator()) return Undefined{"slice of a generator"};
  if (value.is_string() && step.is_none()) {
    budget.charge(2 * value.string().size());
    return string_slice(value.string(), start, stop);
  }
  std::vector<std::string_view> letters;
  int64_t size = 0;
  if (value.is_string()) {
    budget.charge(16 * value.string().size());
    letters = characters(value.string());
    size = std::ssize(letters);
  } else {
    size = std::ssize(value.list());
  }
  const int64_t by = step.is_none() ? 1 : step.integer();
  if (by == 0) throw Error("the step of a slice is zero");
  // The ends as Python clips them: [0, size] going up, [-1, size - 1] down.
  const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? size : size - 1;
  auto clip = [&](const Value& end, int64_t otherwise) {
    if (end.is_none()) return otherwise;
    const int64_t at = end.integer();
    return std::clamp(at < 0 ? std::max(at, -size - 1) + size : at, low, high);
  };
  const int64_t from = clip(start, by > 0 ? low : high);
  const int64_t to = clip(stop, by > 0 ? high : low);
  std::vector<Value> items;
  std::string text;
  for (int64_t at = from; by > 0 ? at < to : at > to;) {
    if (value.is_string())
      text += letters[static_cast<size_t>(at)];
    else
      items.push_back(value.list()[static_cast<size_t>(at)]);
    if (__builtin_add_overflow(at, by, &at)) break;
  }
  budget.charge(text.size() + 32 * items.size());
  if (value.is_string()) return text;
  return value.is_tuple() ? Value::tuple(std::move(items))
                          : Value(std::move(items));
}

}  // namespace seodang::jinja
