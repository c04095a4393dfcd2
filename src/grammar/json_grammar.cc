#include "grammar/json_grammar.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace seodang {
namespace {

using Node = Grammar::Node;

constexpr size_t kMostDigits = 16;
constexpr int64_t kMostWhole = 9'999'999'999'999'999;
constexpr int32_t kMostIndentation = 32;

// Characters that stand for themselves in a string.
constexpr CodePoints kPlain[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};

Grammar::Bytes byte_set(std::string_view bytes) {
  Grammar::Bytes out;
  for (const char byte : bytes) out.set(static_cast<uint8_t>(byte));
  return out;
}

// The parts of ranges that lie in others.
std::vector<CodePoints> common(std::span<const CodePoints> a,
                               std::span<const CodePoints> b) {
  std::vector<CodePoints> out;
  for (const CodePoints& x : a)
    for (const CodePoints& y : b)
      if (const CodePoints both = {std::max(x.first, y.first),
                                   std::min(x.last, y.last)};
          both.first <= both.last)
        out.push_back(both);
  return out;
}

}  // namespace

JsonGrammar::JsonGrammar(Grammar& grammar) : grammar_(grammar) {
  Grammar& g = grammar;
  const Node blank = g.literal(" ");
  space_ = g.choice(
      {g.sequence({}), blank,
       g.sequence({g.literal("\n"), g.repeat(blank, 0, kMostIndentation)})});
  comma_ = g.sequence({g.literal(","), space_});
  colon_ = g.sequence({g.literal(":"), g.optional(blank)});
  const Node hex = g.bytes(byte_set("0123456789abcdefABCDEF"));
  // \uXXXX of what is no half of a pair.
  const Node unit = g.choice(
      {g.sequence(
           {g.bytes(byte_set("0123456789abcefABCEF")), g.repeat(hex, 3, 3)}),
       g.sequence({g.bytes(byte_set("dD")), g.bytes(byte_set("01234567")),
                   g.repeat(hex, 2, 2)})});
  any_character_ =
      g.choice({g.characters(kPlain),
                g.sequence({g.literal("\\"),
                            g.choice({g.bytes(byte_set("\"\\/bfnrt")),
                                      g.sequence({g.literal("u"), unit})})})});

  any_value_ = g.rule();
  const Node member = g.sequence({string(), colon_, any_value_});
  const auto list = [&](Node item) {
    return g.optional(g.sequence(
        {item, g.repeat(g.sequence({comma_, item}), 0, Grammar::kUnlimited)}));
  };
  any_object_ = enclosed('{', list(member), '}');
  g.define(any_value_,
           g.choice({any_object_, enclosed('[', list(any_value_), ']'),
                     string(), number(), g.literal("true"), g.literal("false"),
                     g.literal("null")}));
}

Node JsonGrammar::enclosed(char open, Node inside, char close) {
  return grammar_.sequence({grammar_.literal({&open, 1}), space_, inside,
                            space_, grammar_.literal({&close, 1})});
}

Node JsonGrammar::exactly(const nlohmann::ordered_json& value) {
  return grammar_.literal(value.dump());
}

Node JsonGrammar::string(int32_t least, int32_t most) {
  return grammar_.sequence({grammar_.literal("\""),
                            grammar_.repeat(any_character_, least, most),
                            grammar_.literal("\"")});
}

Node JsonGrammar::characters(std::span<const CodePoints> any_of) {
  constexpr std::pair<char32_t, const char*> kShort[] = {
      {'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
      {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}};
  std::vector<Node> out = {grammar_.characters(common(any_of, kPlain))};
  std::vector<std::string> escaped;
  for (char32_t c = 0; c <= '\\'; ++c) {
    const CodePoints one[] = {{c, c}};
    if (common(any_of, one).empty() || !common(kPlain, one).empty()) continue;
    const auto* found = std::ranges::find(
        kShort, c, [](const auto& entry) { return entry.first; });
    escaped.push_back(found != std::end(kShort)
                          ? found->second
                          : fmt::format("\\u{:04x}", static_cast<uint32_t>(c)));
  }
  if (!escaped.empty()) out.push_back(grammar_.any_of(std::move(escaped)));
  return grammar_.choice(std::move(out));
}

Node JsonGrammar::string_but(const std::vector<std::string>& texts) {
  Grammar& g = grammar_;
  const Node quote = g.literal("\"");
  const Node rest = g.repeat(g.characters(kPlain), 0, Grammar::kUnlimited);
  // Behind `depth` bytes that all of `some` begin with; they are sorted.
  const auto differing = [&](auto&& self, std::span<const std::string> some,
                             size_t depth) -> Node {
    std::vector<Node> out;
    if (some[0].size() == depth)
      some = some.subspan(1);
    else
      out.push_back(quote);
    std::vector<CodePoints> others(std::begin(kPlain), std::end(kPlain));
    while (!some.empty()) {
      const std::string_view tail = std::string_view(some[0]).substr(depth);
      const std::string_view next = tail.substr(0, utf8_character_size(tail));
      size_t count = 1;
      while (count < some.size() &&
             std::string_view(some[count]).substr(depth).starts_with(next))
        ++count;
      const char32_t c = decode_utf8(next);
      others = common(others,
                      std::vector<CodePoints>{{0, c - 1}, {c + 1, 0x10FFFF}});
      out.push_back(g.sequence({g.literal(next), self(self, some.first(count),
                                                      depth + next.size())}));
      some = some.subspan(count);
    }
    out.push_back(g.sequence({g.characters(others), rest, quote}));
    return g.choice(std::move(out));
  };
  // Those that are written with escapes are no string of plain characters.
  std::vector<std::string> plain;
  for (const std::string& text : texts)
    if (nlohmann::json(text).dump().size() == text.size() + 2)
      plain.push_back(text);
  std::ranges::sort(plain);
  plain.erase(std::unique(plain.begin(), plain.end()), plain.end());
  if (plain.empty()) return g.sequence({quote, rest, quote});
  return g.sequence({quote, differing(differing, plain, 0)});
}

// --- Numbers

Node JsonGrammar::digits(size_t least, size_t most) {
  return grammar_.repeat(grammar_.bytes(byte_set("0123456789")),
                         static_cast<int32_t>(least),
                         static_cast<int32_t>(most));
}

Node JsonGrammar::whole(int64_t least, int64_t most) {
  Grammar& g = grammar_;
  const auto digit = [&](char first, char last) {
    Grammar::Bytes set;
    for (char c = first; c <= last; ++c) set.set(static_cast<uint8_t>(c));
    return g.bytes(set);
  };
  // Of as many digits as both limits have; `from` and `to` are what is left of
  // them, "" where a limit no longer matters.
  const auto same_length = [&](auto&& self, std::string_view from,
                               std::string_view to, size_t length) -> Node {
    if (length == 0) return g.sequence({});
    if (from.empty() && to.empty()) return digits(length, length);
    const char low = from.empty() ? '0' : from[0];
    const char high = to.empty() ? '9' : to[0];
    const auto behind = [&](std::string_view text) {
      return text.empty() ? text : text.substr(1);
    };
    if (low == high && !from.empty() && !to.empty())
      return g.sequence(
          {digit(low, low), self(self, behind(from), behind(to), length - 1)});
    std::vector<Node> out;
    char first = low, last = high;
    if (!from.empty()) {
      out.push_back(g.sequence(
          {digit(low, low), self(self, behind(from), "", length - 1)}));
      ++first;
    }
    if (!to.empty()) {
      out.push_back(g.sequence(
          {digit(high, high), self(self, "", behind(to), length - 1)}));
      --last;
    }
    if (first <= last)
      out.push_back(
          g.sequence({digit(first, last), digits(length - 1, length - 1)}));
    return g.choice(std::move(out));
  };
  std::vector<Node> out;
  for (int64_t begin = 0, end = 9; begin <= most && begin <= kMostWhole;
       begin = end + 1, end = 10 * end + 9) {
    if (end < least) continue;
    const std::string from = std::to_string(std::max(begin, least));
    const std::string to = std::to_string(std::min(end, most));
    out.push_back(same_length(same_length, from, to, to.size()));
  }
  return g.choice(std::move(out));
}

Node JsonGrammar::magnitude(const NumberRange& range, bool is_whole) {
  Grammar& g = grammar_;
  const int64_t least = range.least.value_or(0);
  const int64_t most = std::min(range.most.value_or(kMostWhole), kMostWhole);
  if (is_whole)
    return whole(least + (range.above_least ? 1 : 0),
                 most - (range.below_most ? 1 : 0));
  const Node point = g.literal(".");
  const Node fraction = g.sequence({point, digits(1, kMostDigits)});
  const Node zeros = g.sequence(
      {point, g.repeat(g.literal("0"), 1, static_cast<int32_t>(kMostDigits))});
  const Node above_zero = g.sequence(
      {point, g.repeat(g.literal("0"), 0, static_cast<int32_t>(kMostDigits)),
       g.bytes(byte_set("123456789")), digits(0, kMostDigits)});
  std::vector<Node> out;
  if (least < most) {
    out.push_back(
        g.sequence({whole(least, least),
                    range.above_least ? above_zero : g.optional(fraction)}));
    if (least + 1 < most)
      out.push_back(
          g.sequence({whole(least + 1, most - 1), g.optional(fraction)}));
  }
  if (!range.below_most && (least < most || !range.above_least))
    out.push_back(g.sequence({whole(most, most), g.optional(zeros)}));
  return g.choice(std::move(out));
}

Node JsonGrammar::in_range(const NumberRange& range, bool is_whole) {
  const auto negated = [](const std::optional<int64_t>& limit) {
    return limit ? std::optional(-*limit) : std::nullopt;
  };
  std::vector<Node> out;
  if (range.most.value_or(kMostWhole) >= 0) {
    NumberRange upper = range;
    if (range.least.value_or(-1) < 0) {
      upper.least = 0;
      upper.above_least = false;
    }
    out.push_back(magnitude(upper, is_whole));
  }
  if (range.least.value_or(-1) < 0) {
    NumberRange lower = {negated(range.most), negated(range.least),
                         range.below_most, range.above_least};
    if (range.most.value_or(1) > 0 || lower.least == 0) {
      lower.least = 0;  // -0 is no number that one would write
      lower.above_least = true;
    }
    out.push_back(
        grammar_.sequence({grammar_.literal("-"), magnitude(lower, is_whole)}));
  }
  return grammar_.choice(std::move(out));
}

Node JsonGrammar::integer(const NumberRange& range) {
  return in_range(range, true);
}

Node JsonGrammar::number(const NumberRange& range) {
  if (range.least || range.most) return in_range(range, false);
  Grammar& g = grammar_;
  const Node whole_part =
      g.choice({g.literal("0"), g.sequence({g.bytes(byte_set("123456789")),
                                            digits(0, kMostDigits - 1)})});
  return g.sequence(
      {g.optional(g.literal("-")), whole_part,
       g.optional(g.sequence({g.literal("."), digits(1, kMostDigits)})),
       g.optional(
           g.sequence({g.bytes(byte_set("eE")),
                       g.optional(g.bytes(byte_set("+-"))), digits(1, 2)}))});
}

}  // namespace seodang
