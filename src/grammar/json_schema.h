// JSON Schema (json-schema.org, draft 2020-12) as a grammar.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "grammar/json_grammar.h"

namespace seodang {

// Every text of the grammar is valid by the schema. Not all that is valid is a
// text of it: properties come in the order in which the schema has them, and
// others only where "additionalProperties" says so. Throws Error "WHERE: …" for
// what is no schema, and for what a grammar cannot say.
Grammar::Node add_json_schema(Grammar& grammar, JsonGrammar& json,
                              const nlohmann::ordered_json& schema,
                              const std::string& where);

// Outputs that are what the schema describes. A space may stand before it, as
// SentencePiece's first word has one.
Grammar json_schema_grammar(const nlohmann::ordered_json& schema,
                            const std::string& where);

}  // namespace seodang
