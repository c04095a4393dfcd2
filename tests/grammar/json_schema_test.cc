#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/rng.h"
#include "error_of.h"
#include "grammar/has_text.h"
#include "grammar/recognizer.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

Grammar grammar_of(const ordered_json& schema) {
  return json_schema_grammar(schema, "schema");
}
Grammar grammar_of(const char* schema) {
  return grammar_of(ordered_json::parse(schema));
}

// A text that the grammar allows, drawn byte by byte.
std::string drawn(Recognizer& recognizer, Rng& rng) {
  std::string out;
  Recognizer::State state = recognizer.start();
  while (recognizer.may_go_on(state)) {
    if (recognizer.may_end(state) && rng.below(3) == 0) break;
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte)
      if (recognizer.next(state, static_cast<uint8_t>(byte)) !=
          Recognizer::kNone)
        bytes += static_cast<char>(byte);
    // Soon or later what is open is closed.
    std::string closing;
    for (const char byte : bytes)
      if (std::string_view("\"]}").find(byte) != std::string_view::npos)
        closing += byte;
    if (!closing.empty() && rng.below(out.size() > 300 ? 2 : 6) == 0)
      bytes = closing;
    out += bytes[rng.below(bytes.size())];
    state = recognizer.next(state, static_cast<uint8_t>(out.back()));
    if (out.size() > 20000) return "";  // it got lost in its own depth
  }
  return out;
}

// Schemas, with texts that are valid and texts that are not.
struct Case {
  const char* schema;
  std::vector<const char*> has, has_not;
};
const Case kCases[] = {
    {R"({"type":"object","properties":{"name":{"type":"string"},
         "age":{"type":"integer","minimum":0,"maximum":130},
         "tags":{"type":"array","items":{"type":"string"},"maxItems":3}},
         "required":["name","age"],"additionalProperties":false})",
     {R"({"name": "세종", "age": 52})", R"({"name":"a","age":130,"tags":[]})",
      "{\n  \"name\": \"a\",\n  \"age\": 0,\n  \"tags\": [\"x\", \"y\"]\n}",
      R"({"name":"\"\\\n\u00e9","age":7})"},
     {R"({"name":"a"})", R"({"age":1,"name":"a"})", R"({"name":"a","age":131})",
      R"({"name":"a","age":-1})", R"({"name":"a","age":01})",
      R"({"name":"a","age":1,"x":2})", R"({"name":"a","age":1,})",
      R"({"name":"a","age":1,"tags":["1","2","3","4"]})", "{\"name\":\"a\nb\"",
      R"({"name":"a","age":1.0})", R"({"name":"\ud800","age":1})"}},
    {R"({"enum":["서울","부산",3,null,{"a":1}]})",
     {R"("서울")", "3", "null", R"({"a":1})"},
     {"\"서\"", "4", "true", "서울"}},
    {R"({"type":["string","integer"],"enum":["a",1,2.5,null]})",
     {R"("a")", "1"},
     {"2.5", "null"}},
    {R"({"const":"x"})", {R"("x")"}, {R"("y")"}},
    {R"({"anyOf":[{"type":"boolean"},{"type":"null"}]})",
     {"true", "false", "null"},
     {"0", "\"null\""}},
    {R"({"type":["string","null"],"maxLength":3})",
     {R"("한국어")", "null", R"("\n\"\\")"},
     {R"("abcd")", "1"}},
    {R"({"type":"string","minLength":2})", {R"("가나")"}, {R"("가")"}},
    {R"({"type":"string","pattern":"^[A-Z]{2}-\\d+$"})",
     {R"("AB-1")"},
     {R"("A-1")", R"("AB-")"}},
    {R"({"type":"string","pattern":"a\"\\\\b"})",
     {R"("xa\"\\by")"},
     {R"("ab")"}},
    {R"({"type":"string","format":"date-time"})",
     {R"("2026-11-28T09:30:00Z")", R"("2026-01-01T00:00:00.5+09:00")"},
     {R"("2026-13-01T00:00:00Z")", R"("2026-11-28")"}},
    {R"({"type":"string","format":"ipv4"})",
     {R"("192.168.0.1")"},
     {R"("256.0.0.1")", R"("1.2.3")"}},
    {R"({"type":"string","format":"uuid"})",
     {R"("123e4567-e89b-12d3-a456-426614174000")"},
     {R"("123")"}},
    {R"({"type":"string","format":"email"})",
     {R"("a.b@example.co.kr")"},
     {R"("a@b")", R"("a..b@example.com")"}},
    {R"({"type":"string","format":"ipv6"})",
     {R"("2001:db8:0:0:0:0:0:1")"},
     {R"("::g")"}},
    {R"({"type":"integer","minimum":-12,"exclusiveMaximum":305})",
     {"-12", "-9", "0", "9", "10", "99", "204", "304"},
     {"-13", "305", "-0", "400", "1000", "3.0", "00"}},
    {R"({"type":"integer","exclusiveMinimum":997})",
     {"998", "1000", "123456789"},
     {"997", "99", "-1"}},
    {R"({"type":"integer","maximum":-5})", {"-5", "-50"}, {"-4", "0", "5"}},
    {R"({"type":"number","minimum":0,"maximum":1})",
     {"0", "0.25", "1", "1.0", "1.000"},
     {"1.1", "-0.1", "2", "1.01", "-0"}},
    {R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":3})",
     {"0.001", "1", "2.99"},
     {"0", "0.0", "3", "3.0"}},
    {R"({"type":"number","minimum":-2,"exclusiveMaximum":0})",
     {"-2", "-0.5", "-1.75", "-2.0"},
     {"0", "-2.5", "-0.0", "1"}},
    {R"({"type":"number"})",
     {"0", "-1.5e-3", "12E+4", "-0"},
     {"1.", ".5", "+1", "01", "1e999", "NaN"}},
    {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],
         "items":false,"minItems":1})",
     {"[1]", R"([1, "a"])"},
     {"[]", R"(["a"])", R"([1,"a",2])"}},
    {R"({"type":"array","prefixItems":[{"type":"integer"}],
         "items":{"type":"boolean"},"minItems":2,"maxItems":3})",
     {"[1,true]", "[1,true,false]"},
     {"[1]", "[1,true,true,true]", "[true]"}},
    {R"({"type":"array","items":{"type":"null"},"minItems":2,"maxItems":2})",
     {"[null, null]"},
     {"[null]", "[null,null,null]"}},
    {R"({"type":"array","maxItems":0})", {"[]", "[ ]"}, {"[1]"}},
    {R"({"type":"object","properties":{"ab":{"type":"integer"},
         "ac":{"type":"integer"},"한":{"type":"null"}},
         "additionalProperties":{"type":"boolean"}})",
     {"{}", R"({"ab":1})", R"({"ac":1,"x":true})", R"({"a":true,"abc":false})",
      R"({"한":null,"한국":true,"":true})"},
     {R"({"x":1})", R"({"ac":1,"ab":true})", R"({"ab":true})",
      R"({"x":true,"ab":1})", R"({"한":true})"}},
    {R"({"type":"object"})", {"{}", R"({"a": {"b": [1, "x", null]}})"}, {"[]"}},
    {R"(true)", {"[1, {}]", "\"x\"", "null"}, {"[", "x", "[1,]"}},
    {R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object",
         "properties":{"value":{"type":"integer"},
         "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},
         "required":["value","next"]}}})",
     {R"({"value":1,"next":null})",
      R"({"value":1,"next":{"value":2,"next":null}})"},
     {R"({"value":1})", R"({"value":1,"next":{"value":2}})"}},
    {R"({"allOf":[{"type":"string","maxLength":1}]})", {R"("a")"}, {R"("ab")"}},
};

TEST(JsonSchema, HasWhatIsValidAndNothingElse) {
  for (const Case& c : kCases) {
    const Grammar grammar = grammar_of(c.schema);
    for (const char* text : c.has)
      EXPECT_TRUE(has(grammar, text)) << c.schema << "\n" << text;
    for (const char* text : c.has_not)
      EXPECT_FALSE(has(grammar, text)) << c.schema << "\n" << text;
  }
}

// What the grammars write, judged by another program.
TEST(JsonSchema, AnIndependentValidatorAgrees) {
  if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3-jsonschema is not installed";
  const std::string file = testing::TempDir() + "json_schema_drawn.jsonl";
  std::ofstream out(file);
  Rng rng(1, 2);
  int count = 0;
  for (const Case& c : kCases) {
    const auto schema = ordered_json::parse(c.schema);
    const Grammar grammar = grammar_of(schema);
    Recognizer recognizer(grammar);
    for (int i = 0; i < 60; ++i) {
      const std::string text = drawn(recognizer, rng);
      if (text.empty()) continue;
      out << ordered_json{{"schema", schema}, {"text", text}}.dump() << "\n";
      ++count;
    }
    for (const char* text : c.has)
      out << ordered_json{{"schema", schema}, {"text", text}}.dump() << "\n";
  }
  out.close();
  EXPECT_GT(count, 1000);
  const std::string command = "python3 '" SEODANG_SOURCE_DIR
                              "/tests/grammar/validate.py' '" +
                              file + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
}

TEST(JsonSchema, RefusesWhatItCannotKeep) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"type":"array","uniqueItems":true})", "uniqueItems"},
      {R"({"not":{"type":"null"}})", "\"not\" is not supported"},
      {R"({"type":"integer","multipleOf":3})", "multipleOf"},
      {R"({"type":"strin"})", "there is no type"},
      {R"({"$ref":"#/$defs/x"})", "there is no"},
      {R"({"$ref":"https://a.b/c"})", "begins with #"},
      {R"({"$ref":"#"})", "no text"},
      {R"({"type":"object","properties":{"next":{"$ref":"#"}},
           "required":["next"]})",
       "no text"},
      {R"({"type":"object","properties":{"a":5}})", "schema.properties.a"},
      {R"({"type":"object","required":["a"]})", "not one of the properties"},
      {R"({"type":"string","minLength":5,"maxLength":2})", "below"},
      {R"({"type":"string","pattern":"\\1"})", "supported"},
      {R"({"type":"string","pattern":"a","maxLength":2})", "beside"},
      {R"({"minLength":2})", "needs a type"},
      {R"({"type":"number","minimum":0.5})", "whole"},
      {R"({"type":"integer","minimum":5,"maximum":4})", "no number"},
      {R"({"anyOf":[]})", "not empty"},
      {R"({"anyOf":[true],"type":"string"})", "beside"},
      {R"({"type":"string","maxLength":-1})", "whole number"},
      {R"({"type":"integer","const":"a"})", "of its type"},
      {R"(5)", "object"},
      {R"(false)", "no value"},
  };
  for (const auto& refused : cases) {
    const auto* schema = refused.first;
    const auto* part = refused.second;
    const std::string error = error_of([&] {
      const Grammar grammar = grammar_of(schema);
      const Recognizer recognizer(grammar);
    });
    EXPECT_NE(error, "") << schema;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace seodang
