// Regular expressions as grammars.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "grammar/grammar.h"

namespace seodang {

// How one character of a set is written: as itself, or as a format escapes it.
using WriteCharacters =
    std::function<Grammar::Node(std::span<const CodePoints>)>;

// The texts in which `pattern` is found, all of it where it stands between ^
// and $. It is of ECMA-262's syntax: characters, ".", classes, \d \w \s and
// their opposites, \uXXXX, groups, |, * + ? {n,m}. Throws Error for what is
// wrong, and for what no grammar of this kind has: look-around, references,
// \b and \p.
Grammar::Node add_pattern(Grammar& grammar, std::string_view pattern,
                          const WriteCharacters& write);

}  // namespace seodang
