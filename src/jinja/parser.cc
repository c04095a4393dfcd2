#include "jinja/parser.h"

#include <algorithm>

#include "base/error.h"
#include "jinja/expression_parser.h"

namespace seodang::jinja {
namespace {

using SKind = Statement::Kind;

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(source) {}

  Body run() {
    Body body = parse_body({});
    if (now().kind != TKind::end) fail("nothing to close here");
    return body;
  }

 private:
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

  int loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) { return Parser(source).run(); }

}  // namespace seodang::jinja
