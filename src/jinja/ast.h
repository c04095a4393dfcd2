// The syntax tree of a Jinja template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace seodang::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using Body = std::vector<Statement>;

struct Expression {
  enum class Kind {
    literal,      // value
    name,         // text
    list,         // operands; text "tuple" or nothing
    splat,        // * operands[0], among the arguments of a call
    dict,         // operands: key, value, key, value, …
    attribute,    // operands[0] . text
    subscript,    // operands[0] [ operands[1] ]
    slice,        // operands[0] [ operands[1] : operands[2] : operands[3] ]
    call,         // operands[0] ( operands[1…] )
    filter,       // operands[0] | text ( operands[1…] )
    test,         // operands[0] is text ( operands[1…] )
    negate,       // - operands[0]
    logical_not,  // not operands[0]
    logical_and,
    logical_or,
    binary,      // operands[0] text operands[1]: arithmetic, ~
    compare,     // operands[0] operators[0] operands[1] operators[1] …
    conditional  // operands[1] if operands[0] else operands[2] (may be null)
  };
  Kind kind;
  int line;
  int height = 1;  // of the tree below and with it
  std::string text;
  Value value;
  std::vector<ExpressionPtr> operands;  // null where left out
  std::vector<std::string> names;  // of a call's last operands; "**": a dict
  std::vector<std::string> operators;
};

struct Statement {
  enum class Kind {
    text,       // text
    output,     // {{ value }}
    if_else,    // branches; a null condition is else
    for_loop,   // names in value if condition: body, otherwise
    set,        // names = value, or text.names[0] = value
    set_block,  // names[0] = what body writes
    macro,      // text ( names = defaults ): body
    call,       // value, a call whose caller(names = defaults) writes body
    filter,     // value, a filter of what body writes: its operands[0] is null
    with,       // names = defaults: body
    block,      // body, as {% generation %} marks it
    loop_break,
    loop_continue
  };
  Kind kind;
  int line;
  std::string text;
  ExpressionPtr value, condition;
  std::vector<std::string> names;
  std::vector<ExpressionPtr> defaults;  // null for a name without one
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body body, otherwise;
};

}  // namespace seodang::jinja
