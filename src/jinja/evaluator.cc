#include "jinja/evaluator.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "jinja/builtins.h"
#include "jinja/operators.h"

namespace seodang::jinja {
namespace {

using EKind = Expression::Kind;
using SKind = Statement::Kind;
using Scope = std::map<std::string, Value, std::less<>>;

enum class Flow { next, loop_break, loop_continue };

// An error that already says its line.
struct LocatedError : Error {
  using Error::Error;
};

class Evaluator {
 public:
  Evaluator(const std::vector<std::pair<std::string, Value>>& globals,
            const std::tm& now)
      : scopes_(1), budget_(weight_of(globals)) {
    for (auto& [name, value] : builtin_functions(now))
      scopes_[0][name] = std::move(value);
    for (const auto& [name, value] : globals) scopes_[0][name] = value;
  }

  // A namespace may hold itself; emptied, it is freed.
  ~Evaluator() {
    for (const Value& value : namespaces_) value.mutable_dict().entries.clear();
  }

  std::string run(const Body& body) {
    execute(body);
    return std::move(out_);
  }

 private:
  // Trees are bounded by the parser; macros that call themselves are not.
  struct Step {
    Step(Evaluator& owner) : evaluator(owner) {
      constexpr int kMaxDepth = 1000;
      if (++evaluator.depth_ > kMaxDepth) {
        --evaluator.depth_;
        throw Error("calls itself too deep");
      }
      evaluator.budget_.step();
    }
    ~Step() { --evaluator.depth_; }
    Evaluator& evaluator;
  };

  // Runs `body`; an Error that comes out of it says the line.
  template <class F>
  auto located(int line, F&& body) -> decltype(body()) {
    try {
      return body();
    } catch (const LocatedError&) {
      throw;
    } catch (const Error& error) {
      throw LocatedError("chat template, line {}: {}", line, error.what());
    }
  }

  static uint64_t weight_of(
      const std::vector<std::pair<std::string, Value>>& globals) {
    uint64_t weight = 0;
    for (const auto& [name, value] : globals) weight += value.weight();
    return weight;
  }

  // --- Names.

  Value lookup(const std::string& name) const {
    for (size_t i = scopes_.size(); i-- > frame_;)
      if (const auto found = scopes_[i].find(name); found != scopes_[i].end())
        return found->second;
    const auto found = scopes_[0].find(name);
    return found == scopes_[0].end() ? Value(Undefined{name}) : found->second;
  }

  void assign(const std::vector<std::string>& names, const Value& value) {
    if (names.size() == 1) {
      scopes_.back()[names[0]] = value;
      return;
    }
    const std::vector<Value> parts = iterate(value, budget_);
    if (parts.size() != names.size())
      throw Error("{} names for {} values", names.size(), parts.size());
    for (size_t i = 0; i < names.size(); ++i)
      scopes_.back()[names[i]] = parts[i];
  }

  // --- Statements.

  std::string text_of(const Value& value) {
    if (!value.is_string()) budget_.charge(value.weight());
    return to_text(value);
  }

  void write(std::string_view text) {
    budget_.charge(text.size());
    out_ += text;
  }

  // What `body` writes, as a text of its own.
  std::string captured(const Body& body) {
    std::string outer = std::exchange(out_, "");
    execute(body);
    return std::exchange(out_, std::move(outer));
  }

  Flow execute(const Body& body) {
    for (const Statement& statement : body) {
      const Flow flow = located(statement.line, [&] {
        const Step step(*this);
        return execute(statement);
      });
      if (flow != Flow::next) return flow;
    }
    return Flow::next;
  }

  Flow execute(const Statement& s) {
    switch (s.kind) {
      case SKind::text:
        write(s.text);
        return Flow::next;
      case SKind::output:
        write(text_of(evaluate(*s.value)));
        return Flow::next;
      case SKind::if_else:
        for (const auto& [condition, body] : s.branches)
          if (!condition || evaluate(*condition).truthy()) return execute(body);
        return Flow::next;
      case SKind::for_loop:
        return execute_for(s);
      case SKind::set:
        execute_set(s);
        return Flow::next;
      case SKind::set_block:
        assign(s.names, captured(s.body));
        return Flow::next;
      case SKind::macro:
        scopes_.back()[s.text] = Function(
            [this, &s](const Arguments& a) { return call_macro(s, a); });
        return Flow::next;
      case SKind::call:
        execute_call(s);
        return Flow::next;
      case SKind::filter:
        write(text_of(apply_filter(s.value->text, captured(s.body),
                                   arguments(*s.value))));
        return Flow::next;
      case SKind::with:
        return execute_with(s);
      case SKind::block:
        return execute(s.body);
      case SKind::loop_break:
        return Flow::loop_break;
      case SKind::loop_continue:
        return Flow::loop_continue;
    }
    return Flow::next;
  }

  void execute_set(const Statement& s) {
    Value value = evaluate(*s.value);
    if (s.text.empty())
      assign(s.names, value);
    else
      lookup(s.text).mutable_dict().set(Value(s.names[0]), std::move(value));
  }

  Flow execute_for(const Statement& s) {
    std::vector<Value> items = iterate(evaluate(*s.value), budget_);
    scopes_.emplace_back();
    if (s.condition)
      std::erase_if(items, [&](const Value& item) {
        assign(s.names, item);
        return !evaluate(*s.condition).truthy();
      });
    const auto last_seen = std::make_shared<std::vector<Value>>();
    for (size_t i = 0; i < items.size(); ++i) {
      scopes_.back().clear();
      assign(s.names, items[i]);
      scopes_.back()["loop"] = loop_variable(items, i, last_seen);
      if (execute(s.body) == Flow::loop_break) break;
    }
    scopes_.pop_back();
    return items.empty() ? execute(s.otherwise) : Flow::next;
  }

  static Value loop_variable(
      const std::vector<Value>& items, size_t i,
      const std::shared_ptr<std::vector<Value>>& last_seen) {
    const auto at = static_cast<int64_t>(i);
    const auto size = static_cast<int64_t>(items.size());
    Dict loop;
    loop.entries = {{"index", at + 1},       {"index0", at},
                    {"revindex", size - at}, {"revindex0", size - at - 1},
                    {"first", at == 0},      {"last", at + 1 == size},
                    {"length", size},        {"depth", int64_t{1}},
                    {"depth0", int64_t{0}}};
    loop.set("previtem", i > 0 ? items[i - 1] : Value(Undefined{"previtem"}));
    loop.set("nextitem",
             at + 1 < size ? items[i + 1] : Value(Undefined{"nextitem"}));
    loop.set("cycle", Function([i](const Arguments& a) {
               if (a.positional.empty()) throw Error("cycle: no items");
               return a.positional[i % a.positional.size()];
             }));
    loop.set("changed", Function([last_seen](const Arguments& a) {
               for (const Value& value : a.positional)
                 a.budget.charge(value.weight());
               const bool same =
                   std::ranges::equal(*last_seen, a.positional, equal);
               const bool first = last_seen->empty();
               *last_seen = a.positional;
               return Value(first || !same);
             }));
    return loop;
  }

  Flow execute_with(const Statement& s) {
    Scope scope;
    for (size_t i = 0; i < s.names.size(); ++i)
      scope[s.names[i]] = evaluate(*s.defaults[i]);
    scopes_.push_back(std::move(scope));
    const Flow flow = execute(s.body);
    scopes_.pop_back();
    return flow;
  }

  // The macro that is called finds the block's body as `caller`. The body sees
  // the names around the block.
  void execute_call(const Statement& s) {
    const Value callee = operand(*s.value, 0);
    Arguments given = arguments(*s.value);
    const std::vector<Scope> outer = scopes_;
    const size_t frame = frame_;
    given.named.emplace_back(
        "caller", Function([this, &s, outer, frame](const Arguments& a) {
          std::vector<Scope> inner = std::exchange(scopes_, outer);
          const size_t inner_frame = std::exchange(frame_, frame);
          Value text = run_with_arguments(s, a, frame);
          scopes_ = std::move(inner);
          frame_ = inner_frame;
          return text;
        }));
    write(text_of(callee.function()(given)));
  }

  // A macro sees its arguments and the template's own names.
  Value call_macro(const Statement& s, const Arguments& arguments) {
    return run_with_arguments(s, arguments, scopes_.size());
  }

  Value run_with_arguments(const Statement& s, const Arguments& arguments,
                           size_t frame) {
    if (arguments.positional.size() > s.names.size())
      throw Error("macro '{}' takes {} arguments", s.text, s.names.size());
    Scope scope;
    for (size_t i = 0; i < s.names.size(); ++i) {
      const Value* given = arguments.get(i, s.names[i]);
      scope[s.names[i]] = given           ? *given
                          : s.defaults[i] ? evaluate(*s.defaults[i])
                                          : Value(Undefined{s.names[i]});
    }
    for (const auto& [name, value] : arguments.named) {
      if (name != "caller" && !scope.contains(name))
        throw Error("macro '{}' has no argument '{}'", s.text, name);
      scope[name] = value;
    }
    const size_t outer = std::exchange(frame_, frame);
    scopes_.push_back(std::move(scope));
    std::string text = captured(s.body);
    scopes_.pop_back();
    frame_ = outer;
    return text;
  }

  // --- Expressions.

  Value evaluate(const Expression& e) {
    const Step step(*this);
    switch (e.kind) {
      case EKind::literal:
        return e.value;
      case EKind::name:
        return lookup(e.text);
      case EKind::list: {
        std::vector<Value> items;
        for (const auto& item : e.operands) items.push_back(evaluate(*item));
        return e.text == "tuple" ? Value::tuple(std::move(items))
                                 : Value(std::move(items));
      }
      case EKind::splat:
        return operand(e, 0);
      case EKind::dict: {
        Dict dict;
        for (size_t i = 0; i + 1 < e.operands.size(); i += 2)
          dict.set(operand(e, i), operand(e, i + 1));
        return dict;
      }
      case EKind::attribute:
        return attribute(operand(e, 0), e.text);
      case EKind::subscript:
        return element(operand(e, 0), operand(e, 1), budget_);
      case EKind::slice:
        return slice(operand(e, 0), operand(e, 1), operand(e, 2), operand(e, 3),
                     budget_);
      case EKind::call: {
        const Value callee = operand(e, 0);
        Value result = callee.function()(arguments(e));
        if (result.is_dict() && result.dict().is_namespace)
          namespaces_.push_back(result);
        return result;
      }
      case EKind::filter:
        return apply_filter(e.text, operand(e, 0), arguments(e));
      case EKind::test:
        return apply_test(e.text, operand(e, 0), arguments(e));
      case EKind::negate:
        return negate(operand(e, 0));
      case EKind::logical_not:
        return !operand(e, 0).truthy();
      case EKind::logical_and: {
        Value left = operand(e, 0);
        return left.truthy() ? operand(e, 1) : left;
      }
      case EKind::logical_or: {
        Value left = operand(e, 0);
        return left.truthy() ? left : operand(e, 1);
      }
      case EKind::binary:
        return binary(e.text, operand(e, 0), operand(e, 1), budget_);
      case EKind::compare:
        return compare(e);
      case EKind::conditional:
        if (operand(e, 0).truthy()) return operand(e, 1);
        return e.operands[2] ? operand(e, 2) : Value(Undefined{"else"});
    }
    return {};
  }

  // An operand that was left out is none.
  Value operand(const Expression& e, size_t i) {
    return e.operands[i] ? evaluate(*e.operands[i]) : Value(None{});
  }

  Arguments arguments(const Expression& e) {
    Arguments out{budget_, {}, {}};
    const size_t positional = e.operands.size() - e.names.size();
    for (size_t i = 1; i < positional; ++i) {
      Value value = operand(e, i);
      if (e.operands[i]->kind == EKind::splat)
        std::ranges::copy(iterate(value, budget_),
                          std::back_inserter(out.positional));
      else
        out.positional.push_back(std::move(value));
    }
    for (size_t i = 0; i < e.names.size(); ++i) {
      Value value = operand(e, positional + i);
      if (e.names[i] != "**") {
        out.named.emplace_back(e.names[i], std::move(value));
        continue;
      }
      for (const auto& [name, item] : value.dict().entries)
        out.named.emplace_back(name.string(), item);
    }
    return out;
  }

  // a < b < c is a < b and b < c.
  Value compare(const Expression& e) {
    Value left = operand(e, 0);
    for (size_t i = 0; i < e.operators.size(); ++i) {
      Value right = operand(e, i + 1);
      if (!holds(e.operators[i], left, right, budget_)) return false;
      left = std::move(right);
    }
    return true;
  }

  std::vector<Scope> scopes_;  // [0]: the template's; then loops and macros
  size_t frame_ = 0;           // where the running macro's scopes begin
  std::vector<Value> namespaces_;
  std::string out_;
  Budget budget_;
  int depth_ = 0;
};

}  // namespace

std::string evaluate(const Body& template_body,
                     const std::vector<std::pair<std::string, Value>>& globals,
                     const std::tm& now) {
  return Evaluator(globals, now).run(template_body);
}

}  // namespace seodang::jinja
