#include <cctype>

#include "base/error.h"
#include "jinja/builtins.h"

namespace seodang::jinja {
namespace {

using A = const Arguments&;

Value range(A a) {
  if (a.positional.empty()) throw Error("range: no end is given");
  const bool has_start = a.positional.size() > 1;
  int64_t at = has_start ? a.positional[0].integer() : 0;
  const int64_t end = a.positional[has_start].integer();
  const int64_t step = a.positional.size() > 2 ? a.positional[2].integer() : 1;
  constexpr int64_t kMost = 100000;  // as Jinja's sandbox
  if (step == 0) throw Error("range: the step is zero");
  std::vector<Value> out;
  while (step > 0 ? at < end : at > end) {
    if (std::ssize(out) >= kMost)
      throw Error("range: more than {} items", kMost);
    out.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  a.budget.charge(64 * out.size());
  return out;
}

// dict and namespace take mappings and names.
Dict dict_of(A a) {
  Dict dict;
  for (const Value& mapping : a.positional)
    for (const auto& [name, value] : mapping.dict().entries)
      dict.set(name, value);
  for (const auto& [name, value] : a.named) dict.set(Value(name), value);
  a.budget.charge(128 * dict.entries.size());
  return dict;
}

Value raise_exception(A a) {
  const Value* message = a.get(0, "message");
  if (message) a.budget.charge(message->weight());
  throw Error("the template says: {}", message ? to_text(*message) : "");
}

// strftime's pattern comes from a stranger, so only plain conversions pass.
Value strftime(A a, const std::tm& now) {
  const Value* pattern = a.get(0, "format");
  if (!pattern) throw Error("strftime_now: no format is given");
  const std::string& text = pattern->string();
  a.budget.charge(16 * text.size());
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    std::string conversion = "%";
    if (text.substr(i + 1, 1) == "-") conversion += text[++i];
    const char kind = i + 1 < text.size() ? text[++i] : ' ';
    if (kind != '%' && std::isalpha(static_cast<unsigned char>(kind)) == 0)
      throw Error("strftime_now: '{}' has a conversion that is not supported",
                  text);
    conversion += kind;
    char buffer[128];
    out.append(buffer,
               std::strftime(buffer, sizeof buffer, conversion.c_str(), &now));
  }
  return out;
}

}  // namespace

std::vector<std::pair<std::string, Value>> builtin_functions(
    const std::tm& now) {
  return {{"range", Function(range)},
          {"dict", Function([](A a) { return Value(dict_of(a)); })},
          {"namespace", Function([](A a) {
             Dict dict = dict_of(a);
             dict.is_namespace = true;
             return Value(std::move(dict));
           })},
          {"raise_exception", Function(raise_exception)},
          {"strftime_now", Function([now](A a) { return strftime(a, now); })}};
}

Value printf_text(const std::string& pattern, const std::vector<Value>& values,
                  Budget& budget) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    const char kind = ++i < pattern.size() ? pattern[i] : ' ';
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (std::string_view("sdifr").find(kind) == std::string_view::npos)
      throw Error("the text pattern '%{}' is not supported", kind);
    if (next >= values.size()) throw Error("too few values for a text pattern");
    const Value& value = values[next++];
    budget.charge(value.weight());
    if (kind == 's')
      out += to_text(value);
    else if (kind == 'r')
      out += to_text(std::vector<Value>{value});
    else if (kind == 'f')
      out += fmt::format("{:.6f}", value.number());
    else
      out +=
          std::to_string(value.is_float() ? static_cast<int64_t>(value.number())
                                          : value.integer());
  }
  if (next < values.size()) throw Error("too many values for a text pattern");
  budget.charge(out.size());
  return out;
}

Value format_text(const std::string& pattern, A a) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (pattern.substr(i + 1, 1) == std::string(1, c)) {
      out += c;
      ++i;
      continue;
    }
    const size_t end = pattern.find('}', i);
    if (c == '}' || end == pattern.npos)
      throw Error("format: a single '{}' in the pattern", c);
    const std::string name = pattern.substr(i + 1, end - i - 1);
    i = end;
    const Value* value = nullptr;
    if (name.empty())
      value = a.get(next++, "");
    else if (name.find_first_not_of("0123456789") == name.npos &&
             name.size() < 4)
      value = a.get(static_cast<size_t>(std::stoi(name)), "");
    else if (name.find_first_of(":!.[") != name.npos)
      throw Error("format: '{{{}}}' is not supported", name);
    else
      value = a.get(SIZE_MAX, name);
    if (!value) throw Error("format: no value for '{{{}}}'", name);
    a.budget.charge(value->weight());
    out += to_text(*value);
  }
  a.budget.charge(out.size());
  return out;
}

}  // namespace seodang::jinja
