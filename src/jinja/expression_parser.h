// Jinja's expressions, which the parser of statements builds on.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace seodang::jinja {

// Reads expressions from a template's tokens. Throws Error
// "chat template, line N: …" for what is malformed or too deep.
class ExpressionParser {
 protected:
  using EKind = Expression::Kind;
  using TKind = Token::Kind;

  explicit ExpressionParser(std::string_view source)
      : tokens_(tokenize(source)) {}

  const Token& now() const { return tokens_[at_]; }
  const Token& take() {
    return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_];
  }
  bool is_symbol(std::string_view text) const {
    return now().kind == TKind::symbol && now().text == text;
  }
  bool is_name(std::string_view text) const {
    return now().kind == TKind::name && now().text == text;
  }
  bool skip_symbol(std::string_view text) {
    if (!is_symbol(text)) return false;
    take();
    return true;
  }
  bool skip_name(std::string_view text) {
    if (!is_name(text)) return false;
    take();
    return true;
  }
  void expect_symbol(std::string_view text) {
    if (!skip_symbol(text)) fail(fmt::format("expected '{}'", text));
  }
  void expect_name(std::string_view text) {
    if (!skip_name(text)) fail(fmt::format("expected '{}'", text));
  }
  std::string expect_any_name() {
    if (now().kind != TKind::name) fail("expected a name");
    return take().text;
  }
  void expect(TKind kind) {
    if (now().kind != kind)
      fail(now().text.empty() ? "unexpected end of a tag"
                              : fmt::format("unexpected '{}'", now().text));
    take();
  }
  [[noreturn]] void fail(std::string_view what) const {
    throw Error("chat template, line {}: {}", now().line, what);
  }

  // Nested brackets and blocks recurse; hostile ones must not end the stack.
  struct Nested {
    explicit Nested(ExpressionParser& owner) : parser(owner) {
      constexpr int kMaxDepth = 100;
      if (++parser.depth_ > kMaxDepth) parser.fail("nested too deep");
    }
    ~Nested() { --parser.depth_; }
    ExpressionParser& parser;
  };

  // One expression, or several with commas: a tuple.
  ExpressionPtr parse_tuple();
  ExpressionPtr parse_expression();
  ExpressionPtr parse_or();
  ExpressionPtr parse_primary();
  // What follows a value: attributes, subscripts, calls.
  ExpressionPtr parse_postfix(ExpressionPtr value);
  void parse_arguments(Expression& call);

  ExpressionPtr expression(EKind kind, std::string text = "") const;
  template <class... Operands>
  ExpressionPtr over(EKind kind, std::string text, Operands... operands) const {
    auto out = expression(kind, std::move(text));
    (adopt(*out, std::move(operands)), ...);
    return out;
  }
  void adopt(Expression& parent, ExpressionPtr child) const;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;

 private:
  using Level = ExpressionPtr (ExpressionParser::*)();

  bool begins_expression() const;
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  std::string take_comparison();
  ExpressionPtr parse_compare();
  ExpressionPtr parse_binary(std::initializer_list<const char*> symbols,
                             Level next);
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary();
  ExpressionPtr parse_signed();
  ExpressionPtr parse_name();
  ExpressionPtr parse_number();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_subscript(ExpressionPtr value);
  ExpressionPtr parse_filters(ExpressionPtr value);
  ExpressionPtr parse_test(ExpressionPtr value);
};

}  // namespace seodang::jinja
