#include "jinja/expression_parser.h"

#include <algorithm>
#include <charconv>

namespace seodang::jinja {
namespace {

constexpr int kMaxHeight = 400;

}  // namespace

ExpressionPtr ExpressionParser::expression(EKind kind, std::string text) const {
  auto out = std::make_unique<Expression>();
  out->kind = kind;
  out->line = now().line;
  out->text = std::move(text);
  return out;
}

// Long chains ("a + a + …") grow the tree without nesting in the source.
void ExpressionParser::adopt(Expression& parent, ExpressionPtr child) const {
  if (child) {
    parent.height = std::max(parent.height, child->height + 1);
    if (parent.height > kMaxHeight) fail("an expression is too long");
  }
  parent.operands.push_back(std::move(child));
}

// From here on: from the loosest binding to the tightest.

ExpressionPtr ExpressionParser::parse_tuple() {
  ExpressionPtr first = parse_expression();
  if (!is_symbol(",")) return first;
  ExpressionPtr list = over(EKind::list, "tuple", std::move(first));
  while (skip_symbol(",") && begins_expression())
    adopt(*list, parse_expression());
  return list;
}

bool ExpressionParser::begins_expression() const {
  return now().kind == TKind::name || now().kind == TKind::string ||
         now().kind == TKind::integer || now().kind == TKind::real ||
         is_symbol("(") || is_symbol("[") || is_symbol("{");
}

ExpressionPtr ExpressionParser::parse_expression() {
  const Nested nested(*this);
  ExpressionPtr value = parse_or();
  while (skip_name("if")) {
    ExpressionPtr condition = parse_or();
    ExpressionPtr otherwise = skip_name("else") ? parse_expression() : nullptr;
    value = over(EKind::conditional, "", std::move(condition), std::move(value),
                 std::move(otherwise));
  }
  return value;
}

ExpressionPtr ExpressionParser::parse_or() {
  ExpressionPtr left = parse_and();
  while (skip_name("or"))
    left = over(EKind::logical_or, "", std::move(left), parse_and());
  return left;
}

ExpressionPtr ExpressionParser::parse_and() {
  ExpressionPtr left = parse_not();
  while (skip_name("and"))
    left = over(EKind::logical_and, "", std::move(left), parse_not());
  return left;
}

ExpressionPtr ExpressionParser::parse_not() {
  const Nested nested(*this);
  if (skip_name("not")) return over(EKind::logical_not, "", parse_not());
  return parse_compare();
}

// "", when no comparison follows.
std::string ExpressionParser::take_comparison() {
  for (const char* symbol : {"==", "!=", "<", ">", "<=", ">="})
    if (skip_symbol(symbol)) return symbol;
  if (skip_name("in")) return "in";
  if (is_name("not") && tokens_[at_ + 1].kind == TKind::name &&
      tokens_[at_ + 1].text == "in") {
    take(), take();
    return "not in";
  }
  return "";
}

ExpressionPtr ExpressionParser::parse_compare() {
  ExpressionPtr left = parse_sum();
  std::string comparison = take_comparison();
  if (comparison.empty()) return left;
  ExpressionPtr out = over(EKind::compare, "", std::move(left));
  for (; !comparison.empty(); comparison = take_comparison()) {
    out->operators.push_back(comparison);
    adopt(*out, parse_sum());
  }
  return out;
}

ExpressionPtr ExpressionParser::parse_binary(
    std::initializer_list<const char*> symbols, Level next) {
  ExpressionPtr left = (this->*next)();
  for (bool found = true; found;) {
    found = false;
    for (const char* symbol : symbols)
      if (skip_symbol(symbol)) {
        left = over(EKind::binary, symbol, std::move(left), (this->*next)());
        found = true;
        break;
      }
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_sum() {
  return parse_binary({"+", "-"}, &ExpressionParser::parse_concat);
}

ExpressionPtr ExpressionParser::parse_concat() {
  return parse_binary({"~"}, &ExpressionParser::parse_product);
}

ExpressionPtr ExpressionParser::parse_product() {
  return parse_binary({"*", "/", "//", "%"}, &ExpressionParser::parse_power);
}

ExpressionPtr ExpressionParser::parse_power() {
  return parse_binary({"**"}, &ExpressionParser::parse_unary);
}

ExpressionPtr ExpressionParser::parse_unary() {
  return parse_filters(parse_signed());
}

// Filters bind looser than signs: -1 | abs is 1.
ExpressionPtr ExpressionParser::parse_signed() {
  const Nested nested(*this);
  if (skip_symbol("-")) return over(EKind::negate, "", parse_signed());
  if (skip_symbol("+")) return parse_signed();
  return parse_postfix(parse_primary());
}

ExpressionPtr ExpressionParser::parse_primary() {
  const Token token = now();
  if (token.kind == TKind::name) return parse_name();
  if (token.kind == TKind::string) {
    ExpressionPtr out = expression(EKind::literal);
    std::string text;
    while (now().kind == TKind::string) text += take().text;
    out->value = std::move(text);
    return out;
  }
  if (token.kind == TKind::integer || token.kind == TKind::real)
    return parse_number();
  if (skip_symbol("(")) {
    if (skip_symbol(")")) return expression(EKind::list, "tuple");
    ExpressionPtr out = parse_tuple();
    expect_symbol(")");
    return out;
  }
  if (skip_symbol("[")) return parse_list();
  if (skip_symbol("{")) return parse_dict();
  fail(token.text.empty() ? "an expression is missing"
                          : fmt::format("unexpected '{}'", token.text));
}

ExpressionPtr ExpressionParser::parse_name() {
  const std::string name = take().text;
  ExpressionPtr out = expression(EKind::literal);
  if (name == "true" || name == "True") {
    out->value = true;
  } else if (name == "false" || name == "False") {
    out->value = false;
  } else if (name == "none" || name == "None") {
    out->value = None{};
  } else {
    out->kind = EKind::name;
    out->text = name;
  }
  return out;
}

ExpressionPtr ExpressionParser::parse_number() {
  ExpressionPtr out = expression(EKind::literal);
  const Token& token = take();
  const char* end = token.text.data() + token.text.size();
  int64_t whole = 0;
  double real = 0;
  const auto result = token.kind == TKind::integer
                          ? std::from_chars(token.text.data(), end, whole)
                          : std::from_chars(token.text.data(), end, real);
  if (result.ec != std::errc()) fail("a number is too large");
  out->value = token.kind == TKind::integer ? Value(whole) : Value(real);
  return out;
}

ExpressionPtr ExpressionParser::parse_list() {
  ExpressionPtr out = expression(EKind::list);
  while (!skip_symbol("]")) {
    if (!out->operands.empty()) expect_symbol(",");
    if (skip_symbol("]")) break;
    adopt(*out, parse_expression());
  }
  return out;
}

ExpressionPtr ExpressionParser::parse_dict() {
  ExpressionPtr out = expression(EKind::dict);
  while (!skip_symbol("}")) {
    if (!out->operands.empty()) expect_symbol(",");
    if (skip_symbol("}")) break;
    adopt(*out, parse_expression());
    expect_symbol(":");
    adopt(*out, parse_expression());
  }
  return out;
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr value) {
  for (;;) {
    if (skip_symbol(".")) {
      if (now().kind == TKind::integer) {
        ExpressionPtr index = parse_number();
        value = over(EKind::subscript, "", std::move(value), std::move(index));
      } else {
        std::string name = expect_any_name();
        value = over(EKind::attribute, std::move(name), std::move(value));
      }
    } else if (skip_symbol("[")) {
      value = parse_subscript(std::move(value));
    } else if (is_symbol("(")) {
      value = over(EKind::call, "", std::move(value));
      parse_arguments(*value);
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr value) {
  ExpressionPtr parts[3];
  int colons = 0;
  while (!skip_symbol("]")) {
    if (skip_symbol(":")) {
      if (++colons > 2) fail("unexpected ':'");
    } else if (parts[colons]) {
      fail("expected ']'");
    } else {
      parts[colons] = parse_expression();
    }
  }
  if (colons > 0)
    return over(EKind::slice, "", std::move(value), std::move(parts[0]),
                std::move(parts[1]), std::move(parts[2]));
  if (!parts[0]) fail("an index is missing");
  return over(EKind::subscript, "", std::move(value), std::move(parts[0]));
}

void ExpressionParser::parse_arguments(Expression& call) {
  expect_symbol("(");
  bool first = true;
  while (!skip_symbol(")")) {
    if (!std::exchange(first, false)) expect_symbol(",");
    if (skip_symbol(")")) break;
    const Token& next = tokens_[std::min(at_ + 1, tokens_.size() - 1)];
    if (now().kind == TKind::name && next.kind == TKind::symbol &&
        next.text == "=") {
      std::string name = take().text;
      take();
      call.names.push_back(std::move(name));
      adopt(call, parse_expression());
    } else if (skip_symbol("**")) {
      call.names.emplace_back("**");
      adopt(call, parse_expression());
    } else if (call.names.empty() && skip_symbol("*")) {
      adopt(call, over(EKind::splat, "", parse_expression()));
    } else if (!call.names.empty()) {
      fail("an argument without a name follows one with a name");
    } else {
      adopt(call, parse_expression());
    }
  }
}

// Filters, tests, and calls of what they give.
ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr value) {
  for (;;) {
    if (skip_symbol("|")) {
      std::string name = expect_any_name();
      value = over(EKind::filter, std::move(name), std::move(value));
      if (is_symbol("(")) parse_arguments(*value);
    } else if (skip_name("is")) {
      value = parse_test(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr value) {
  const bool negated = skip_name("not");
  std::string name = expect_any_name();
  ExpressionPtr out = over(EKind::test, std::move(name), std::move(value));
  const bool operator_follows =
      is_name("else") || is_name("or") || is_name("and") || is_name("if") ||
      is_name("is") || is_name("in") || is_name("not");
  if (is_symbol("("))
    parse_arguments(*out);
  else if (begins_expression() && !operator_follows)
    adopt(*out, parse_postfix(parse_primary()));
  return negated ? over(EKind::logical_not, "", std::move(out))
                 : std::move(out);
}

}  // namespace seodang::jinja
