#include "tokenizer/jinja_parser.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "tokenizer/jinja_lexer.h"

namespace seodang::jinja {
namespace {

using EKind = Expression::Kind;
using SKind = Statement::Kind;
using TKind = Token::Kind;

constexpr int kMaxDepth = 100;
constexpr int kMaxHeight = 400;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

  Body run() {
    Body body = parse_body({});
    if (now().kind != TKind::end) fail("nothing to close here");
    return body;
  }

 private:
  // --- Tokens.

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
    explicit Nested(Parser& owner) : parser(owner) {
      if (++parser.depth_ > kMaxDepth) parser.fail("nested too deep");
    }
    ~Nested() { --parser.depth_; }
    Parser& parser;
  };

  // --- Statements.

  bool at_block(std::initializer_list<std::string_view> names) const {
    if (now().kind != TKind::block_begin || at_ + 1 >= tokens_.size())
      return false;
    const Token& next = tokens_[at_ + 1];
    return next.kind == TKind::name &&
           std::find(names.begin(), names.end(), next.text) != names.end();
  }

  // Up to one of the tags `ends`, which stays unread, or the template's end.
  Body parse_body(std::initializer_list<std::string_view> ends) {
    const Nested nested(*this);
    Body body;
    while (now().kind != TKind::end && !at_block(ends)) {
      const int line = now().line;
      if (now().kind == TKind::text) {
        body.push_back(statement(SKind::text, line));
        body.back().text = take().text;
      } else if (now().kind == TKind::output_begin) {
        take();
        body.push_back(statement(SKind::output, line));
        body.back().value = parse_tuple();
        expect(TKind::output_end);
      } else {
        expect(TKind::block_begin);
        body.push_back(parse_block());
      }
    }
    return body;
  }

  Body parse_body_until(std::string_view end) {
    Body body = parse_body({end});
    close(end);
    return body;
  }

  void close(std::string_view end) {
    if (now().kind != TKind::block_begin)
      fail(fmt::format("'{}' is missing", end));
    take();
    expect_name(end);
    expect(TKind::block_end);
  }

  static Statement statement(SKind kind, int line) {
    Statement out{};
    out.kind = kind;
    out.line = line;
    return out;
  }

  Statement parse_block() {
    const int line = now().line;
    const std::string tag = expect_any_name();
    if (tag == "if") return parse_if(line);
    if (tag == "for") return parse_for(line);
    if (tag == "set") return parse_set(line);
    if (tag == "macro") return parse_macro(line);
    if (tag == "call") return parse_call(line);
    if (tag == "filter") return parse_filter_block(line);
    if (tag == "with") return parse_with(line);
    if (tag == "generation") {
      Statement out = statement(SKind::block, line);
      expect(TKind::block_end);
      out.body = parse_body_until("endgeneration");
      return out;
    }
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) fail(fmt::format("'{}' outside of a loop", tag));
      expect(TKind::block_end);
      return statement(
          tag == "break" ? SKind::loop_break : SKind::loop_continue, line);
    }
    fail(fmt::format("tag '{}' is not supported here", tag));
  }

  Statement parse_if(int line) {
    Statement out = statement(SKind::if_else, line);
    auto branch = [&](ExpressionPtr condition) {
      expect(TKind::block_end);
      out.branches.emplace_back(std::move(condition),
                                parse_body({"elif", "else", "endif"}));
    };
    branch(parse_tuple());
    while (at_block({"elif"})) {
      take(), take();
      branch(parse_tuple());
    }
    if (at_block({"else"})) {
      take(), take();
      branch(nullptr);
    }
    close("endif");
    return out;
  }

  std::vector<std::string> parse_names() {
    const bool brackets = skip_symbol("(");
    std::vector<std::string> names = {expect_any_name()};
    while (skip_symbol(",")) names.push_back(expect_any_name());
    if (brackets) expect_symbol(")");
    return names;
  }

  Statement parse_for(int line) {
    Statement out = statement(SKind::for_loop, line);
    out.names = parse_names();
    expect_name("in");
    out.value = parse_or();
    if (skip_name("if")) out.condition = parse_expression();
    expect(TKind::block_end);
    ++loops_;
    out.body = parse_body({"else", "endfor"});
    --loops_;
    if (at_block({"else"})) {
      take(), take();
      expect(TKind::block_end);
      out.otherwise = parse_body({"endfor"});
    }
    close("endfor");
    return out;
  }

  Statement parse_set(int line) {
    Statement out = statement(SKind::set, line);
    out.names = parse_names();
    if (skip_symbol(".")) {
      out.text = out.names[0];
      out.names = {expect_any_name()};
    }
    if (skip_symbol("=")) {
      out.value = parse_tuple();
      expect(TKind::block_end);
      return out;
    }
    if (out.names.size() != 1 || !out.text.empty()) fail("expected '='");
    expect(TKind::block_end);
    out.kind = SKind::set_block;
    out.body = parse_body_until("endset");
    return out;
  }

  Statement parse_macro(int line) {
    Statement out = statement(SKind::macro, line);
    out.text = expect_any_name();
    expect_symbol("(");
    parse_parameters(out);
    parse_macro_body(out, "endmacro");
    return out;
  }

  void parse_parameters(Statement& out) {
    while (!skip_symbol(")")) {
      if (!out.names.empty()) expect_symbol(",");
      if (skip_symbol(")")) break;
      out.names.push_back(expect_any_name());
      out.defaults.push_back(skip_symbol("=") ? parse_expression() : nullptr);
    }
  }

  void parse_macro_body(Statement& out, std::string_view end) {
    expect(TKind::block_end);
    const int loops = std::exchange(loops_, 0);
    out.body = parse_body_until(end);
    loops_ = loops;
  }

  Statement parse_call(int line) {
    Statement out = statement(SKind::call, line);
    out.text = "caller";
    if (skip_symbol("(")) parse_parameters(out);
    out.value = parse_postfix(parse_primary());
    if (out.value->kind != EKind::call) fail("expected a call");
    parse_macro_body(out, "endcall");
    return out;
  }

  Statement parse_filter_block(int line) {
    Statement out = statement(SKind::filter, line);
    std::string name = expect_any_name();
    out.value = over(EKind::filter, std::move(name), ExpressionPtr());
    if (is_symbol("(")) parse_arguments(*out.value);
    if (is_symbol("|")) fail("several filters of a block are not supported");
    expect(TKind::block_end);
    out.body = parse_body_until("endfilter");
    return out;
  }

  Statement parse_with(int line) {
    Statement out = statement(SKind::with, line);
    while (now().kind == TKind::name) {
      out.names.push_back(expect_any_name());
      expect_symbol("=");
      out.defaults.push_back(parse_expression());
      if (!skip_symbol(",")) break;
    }
    expect(TKind::block_end);
    out.body = parse_body_until("endwith");
    return out;
  }

  // --- Expressions, from the loosest binding to the tightest.

  ExpressionPtr expression(EKind kind, std::string text = "") const {
    auto out = std::make_unique<Expression>();
    out->kind = kind;
    out->line = now().line;
    out->text = std::move(text);
    return out;
  }

  template <class... Operands>
  ExpressionPtr over(EKind kind, std::string text, Operands... operands) const {
    auto out = expression(kind, std::move(text));
    (adopt(*out, std::move(operands)), ...);
    return out;
  }

  // Long chains ("a + a + …") grow the tree without nesting in the source.
  void adopt(Expression& parent, ExpressionPtr child) const {
    if (child) {
      parent.height = std::max(parent.height, child->height + 1);
      if (parent.height > kMaxHeight) fail("an expression is too long");
    }
    parent.operands.push_back(std::move(child));
  }

  // One expression, or several with commas: a list.
  ExpressionPtr parse_tuple() {
    ExpressionPtr first = parse_expression();
    if (!is_symbol(",")) return first;
    ExpressionPtr list = over(EKind::list, "tuple", std::move(first));
    while (skip_symbol(",") && begins_expression())
      adopt(*list, parse_expression());
    return list;
  }

  bool begins_expression() const {
    return now().kind == TKind::name || now().kind == TKind::string ||
           now().kind == TKind::integer || now().kind == TKind::real ||
           is_symbol("(") || is_symbol("[") || is_symbol("{");
  }

  ExpressionPtr parse_expression() {
    const Nested nested(*this);
    ExpressionPtr value = parse_or();
    while (skip_name("if")) {
      ExpressionPtr condition = parse_or();
      ExpressionPtr otherwise =
          skip_name("else") ? parse_expression() : nullptr;
      value = over(EKind::conditional, "", std::move(condition),
                   std::move(value), std::move(otherwise));
    }
    return value;
  }

  ExpressionPtr parse_or() {
    ExpressionPtr left = parse_and();
    while (skip_name("or"))
      left = over(EKind::logical_or, "", std::move(left), parse_and());
    return left;
  }

  ExpressionPtr parse_and() {
    ExpressionPtr left = parse_not();
    while (skip_name("and"))
      left = over(EKind::logical_and, "", std::move(left), parse_not());
    return left;
  }

  ExpressionPtr parse_not() {
    const Nested nested(*this);
    if (skip_name("not")) return over(EKind::logical_not, "", parse_not());
    return parse_compare();
  }

  // "", when no comparison follows.
  std::string take_comparison() {
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

  ExpressionPtr parse_compare() {
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

  using Level = ExpressionPtr (Parser::*)();
  ExpressionPtr parse_binary(std::initializer_list<const char*> symbols,
                             Level next) {
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

  ExpressionPtr parse_sum() {
    return parse_binary({"+", "-"}, &Parser::parse_concat);
  }
  ExpressionPtr parse_concat() {
    return parse_binary({"~"}, &Parser::parse_product);
  }
  ExpressionPtr parse_product() {
    return parse_binary({"*", "/", "//", "%"}, &Parser::parse_power);
  }
  ExpressionPtr parse_power() {
    return parse_binary({"**"}, &Parser::parse_unary);
  }

  ExpressionPtr parse_unary() { return parse_filters(parse_signed()); }

  // Filters bind looser than signs: -1 | abs is 1.
  ExpressionPtr parse_signed() {
    const Nested nested(*this);
    if (skip_symbol("-")) return over(EKind::negate, "", parse_signed());
    if (skip_symbol("+")) return parse_signed();
    return parse_postfix(parse_primary());
  }

  ExpressionPtr parse_primary() {
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

  ExpressionPtr parse_name() {
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

  ExpressionPtr parse_number() {
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

  ExpressionPtr parse_list() {
    ExpressionPtr out = expression(EKind::list);
    while (!skip_symbol("]")) {
      if (!out->operands.empty()) expect_symbol(",");
      if (skip_symbol("]")) break;
      adopt(*out, parse_expression());
    }
    return out;
  }

  ExpressionPtr parse_dict() {
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

  ExpressionPtr parse_postfix(ExpressionPtr value) {
    for (;;) {
      if (skip_symbol(".")) {
        if (now().kind == TKind::integer) {
          ExpressionPtr index = parse_number();
          value =
              over(EKind::subscript, "", std::move(value), std::move(index));
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

  ExpressionPtr parse_subscript(ExpressionPtr value) {
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

  void parse_arguments(Expression& call) {
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
  ExpressionPtr parse_filters(ExpressionPtr value) {
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

  ExpressionPtr parse_test(ExpressionPtr value) {
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

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) { return Parser(source).run(); }

}  // namespace seodang::jinja
