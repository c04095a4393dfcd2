#include "grammar/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/utf8.h"
#include "error_of.h"
#include "grammar/has_text.h"
#include "grammar/pattern.h"
#include "grammar/recognizer.h"

namespace seodang {
namespace {

Grammar pattern(std::string_view text) {
  Grammar grammar;
  grammar.set_root(
      add_pattern(grammar, text, [&](std::span<const CodePoints> any_of) {
        return grammar.characters(any_of);
      }));
  return grammar;
}

TEST(Grammar, CharactersAreThoseOfTheRange) {
  // Every scalar value, against the range itself.
  constexpr std::array<CodePoints, 7> kRanges = {{{0, 0x10FFFF},
                                                  {0xAC00, 0xD7A3},
                                                  {0x7F, 0x80},
                                                  {0x7FF, 0x10000},
                                                  {0x1F64F, 0x20001},
                                                  {0xD7FF, 0xE001},
                                                  {'a', 0x3B1}}};
  for (const CodePoints& range : kRanges) {
    Grammar grammar;
    grammar.set_root(grammar.characters({&range, 1}));
    Recognizer recognizer(grammar);
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      std::string text;
      append_utf8(text, c);
      ASSERT_EQ(has(recognizer, text), c >= range.first && c <= range.last)
          << static_cast<uint32_t>(c);
    }
    EXPECT_FALSE(has(recognizer, "\xED\xA0\x80"));  // a surrogate
    EXPECT_FALSE(has(recognizer, "\xC0\x80"));      // 0 in two bytes
  }
}

TEST(Grammar, AnyOfManyTexts) {
  Grammar grammar;
  std::vector<std::string> texts = {"서울", "서울특별시", "", "부산", "a"};
  for (int i = 0; i < 5000; ++i) texts.push_back(std::to_string(i * 7));
  grammar.set_root(grammar.any_of(texts));
  Recognizer recognizer(grammar);
  for (const std::string& text : texts)
    EXPECT_TRUE(has(recognizer, text)) << text;
  for (const char* text : {"서", "서울특", "1", "34994", "b", "aa"})
    EXPECT_FALSE(has(recognizer, text)) << text;
}

TEST(Grammar, RulesHoldThemselves) {
  Grammar grammar;  // brackets that match
  const auto rule = grammar.rule();
  grammar.define(
      rule, grammar.choice({grammar.sequence({}),
                            grammar.sequence({grammar.literal("("), rule,
                                              grammar.literal(")"), rule})}));
  grammar.set_root(rule);
  EXPECT_TRUE(has(grammar, ""));
  EXPECT_TRUE(has(grammar, "(()(()))()"));
  EXPECT_FALSE(has(grammar, "(()"));
  EXPECT_FALSE(has(grammar, "())"));
  const std::string deep(20000, '(');
  EXPECT_TRUE(has(grammar, deep + std::string(20000, ')')));
}

TEST(Grammar, ARuleThatIsOnlyItselfIsRefused) {
  Grammar grammar;
  const auto rule = grammar.rule();
  grammar.define(rule, rule);
  grammar.set_root(rule);
  EXPECT_NE(
      error_of([&] { const Recognizer recognizer(grammar); }).find("no text"),
      std::string::npos);
}

TEST(Grammar, WhatIsForgottenComesAgain) {
  // Each repetition is a state of its own, so they are forgotten on the way.
  Grammar grammar;
  grammar.set_root(
      grammar.sequence({grammar.literal("<"),
                        grammar.repeat(grammar.literal("ab"), 30000, 30000),
                        grammar.literal(">")}));
  Recognizer recognizer(grammar);
  Recognizer::State state = recognizer.start();
  const auto read = [&](char c) {
    state = recognizer.next(state, static_cast<uint8_t>(c));
    ASSERT_NE(state, Recognizer::kNone);
    state = recognizer.keep(state);
  };
  read('<');
  for (int i = 0; i < 30000; ++i) {
    ASSERT_EQ(recognizer.next(state, '>'), Recognizer::kNone);
    read('a');
    read('b');
  }
  ASSERT_EQ(recognizer.next(state, 'a'), Recognizer::kNone);
  read('>');
  EXPECT_TRUE(recognizer.may_end(state));
  EXPECT_FALSE(recognizer.may_go_on(state));
}

TEST(Pattern, ReadsAndRefusesTexts) {
  struct Case {
    const char* pattern;
    std::vector<const char*> has, has_not;
  };
  const Case cases[] = {
      {"^a+b?$", {"a", "aab"}, {"", "b", "abb", "xa"}},
      {"ab", {"ab", "xaby", "aab"}, {"a", "ba"}},
      {"^(가|나|다라)*$", {"", "가나", "다라가"}, {"라", "다"}},
      {"^[가-힣]{2,4}$", {"서울", "대한민국"}, {"서", "대한민국은", "ab"}},
      {"^[^0-9,]+$", {"abc", "한"}, {"1", "a,b", ""}},
      {"^\\d{4}-\\d{2}$", {"2026-11"}, {"202-11", "2026-1", "2026-111"}},
      {"^(?:ab){2}$", {"abab"}, {"ab", "ababab"}},
      {"^a|b$", {"axyz", "xyzb", "a", "b"}, {"xay", "bx"}},
      {"^\\u0041\\x42\\.$", {"AB."}, {"ABC"}},
      {"^.{3}$", {"abc", "한글날"}, {"a\nb", "ab"}},
      {"^[\\w.-]+?$", {"a.b-c_1"}, {"a b", ""}},
  };
  for (const Case& c : cases) {
    const Grammar grammar = pattern(c.pattern);
    for (const char* text : c.has) EXPECT_TRUE(has(grammar, text)) << text;
    for (const char* text : c.has_not) EXPECT_FALSE(has(grammar, text)) << text;
  }
}

TEST(Pattern, RefusesWhatIsWrongOrNoGrammar) {
  for (const char* text :
       {"(", ")", "[", "a**", "*", "a{2", "a{3,2}", "a{99999}", "(?=a)",
        "(?<n>a)", "\\1", "\\bword", "\\p{L}", "[z-a]", "a^b", "\\u12G4"})
    EXPECT_NE(error_of([&] { pattern(text); }), "") << text;
  EXPECT_NE(error_of([&] { pattern(std::string(500, '(')); }), "");
}

TEST(Pattern, ManyWaysAtOnceAreRefusedNotTried) {
  EXPECT_NE(error_of([&] {
              const Grammar grammar =
                  pattern("^(((a{0,900}){0,900}){0,900}){0,900}$");
              Recognizer recognizer(grammar);
              has(recognizer, "aaaa");
            }).find("too many ways"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
