#include "grammar/pattern.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/json.h"

namespace seodang {
namespace {

using Node = Grammar::Node;
using Set = std::vector<CodePoints>;

constexpr char32_t kLastCodePoint = 0x10FFFF;

Set complement(Set set) {
  std::ranges::sort(set, {}, &CodePoints::first);
  Set out;
  char32_t next = 0;
  for (const CodePoints& range : set) {
    if (range.first > next) out.push_back({next, range.first - 1});
    if (range.last >= next) next = range.last + 1;
  }
  if (next <= kLastCodePoint) out.push_back({next, kLastCodePoint});
  return out;
}

const Set kDigits = {{'0', '9'}};
const Set kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Set kSpaces = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},
                     {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029},
                     {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
                     {0xFEFF, 0xFEFF}};
const Set kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class PatternParser {
 public:
  PatternParser(Grammar& grammar, std::string_view pattern,
                const WriteCharacters& write)
      : grammar_(grammar), all_(pattern), left_(pattern), write_(write) {}

  Node parse() {
    const Node node = alternatives(true);
    if (!left_.empty()) refuse("there is a ) too many");
    return node;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error("pattern {}: {}", quoted(std::string(all_)), why);
  }

  bool take(char c) {
    if (!left_.starts_with(c)) return false;
    left_.remove_prefix(1);
    return true;
  }

  char32_t character() {
    const size_t size = utf8_character_size(left_);
    if (size == 0) refuse("it ends too early");
    const char32_t out = decode_utf8(left_.substr(0, size));
    left_.remove_prefix(size);
    return out;
  }

  // Of the whole pattern, each alternative has its own ^ and $.
  Node alternatives(bool is_whole) {
    constexpr int kDeepest = 100;
    if (++depth_ > kDeepest) refuse("its groups nest too deep");
    std::vector<Node> out;
    do {
      const bool from_start = is_whole && take('^');
      std::vector<Node> parts;
      if (is_whole && !from_start) parts.push_back(anything());
      while (!left_.empty() && left_[0] != '|' && left_[0] != ')' &&
             !at_end_mark())
        parts.push_back(quantified());
      if (is_whole && !take('$')) parts.push_back(anything());
      out.push_back(grammar_.sequence(std::move(parts)));
    } while (take('|'));
    --depth_;
    return grammar_.choice(std::move(out));
  }

  bool at_end_mark() const {
    return depth_ == 1 && left_[0] == '$' &&
           (left_.size() == 1 || left_[1] == '|');
  }

  Node anything() {
    return grammar_.repeat(write_(complement({})), 0, Grammar::kUnlimited);
  }

  Node quantified() {
    const Node node = atom();
    int32_t least = 1, most = 1;
    if (take('*')) {
      least = 0;
      most = Grammar::kUnlimited;
    } else if (take('+')) {
      most = Grammar::kUnlimited;
    } else if (take('?')) {
      least = 0;
    } else if (take('{')) {
      least = number();
      most = least;
      if (take(','))
        most = take('}') ? Grammar::kUnlimited : number_and_brace();
      else if (!take('}'))
        refuse("a { has no }");
      if (most != Grammar::kUnlimited && most < least)
        refuse("a repeat's limits are out of order");
    } else {
      return node;
    }
    take('?');  // a lazy one has the same texts
    if (!left_.empty() && (left_[0] == '*' || left_[0] == '+'))
      refuse("there is nothing to repeat");
    return grammar_.repeat(node, least, most);
  }

  int32_t number() {
    int32_t out = 0;
    if (left_.empty() || left_[0] < '0' || left_[0] > '9')
      refuse("a { is not followed by a number");
    while (!left_.empty() && left_[0] >= '0' && left_[0] <= '9') {
      out = 10 * out + (left_[0] - '0');
      left_.remove_prefix(1);
      if (out > 10000) refuse("a repeat of more than 10000 times");
    }
    return out;
  }
  int32_t number_and_brace() {
    const int32_t out = number();
    if (!take('}')) refuse("a { has no }");
    return out;
  }

  Node atom() {
    if (take('(')) {
      if (take('?') && !take(':'))
        refuse("of (? there is only (?: in a grammar");
      const Node inside = alternatives(false);
      if (!take(')')) refuse("a ( has no )");
      return inside;
    }
    if (take('[')) return write_(char_class());
    if (take('.')) return write_(complement(kLineEnds));
    if (take('\\')) return write_(escaped());
    const char32_t c = character();
    if (c == '*' || c == '+' || c == '?') refuse("there is nothing to repeat");
    if (c == '^' || c == '$') refuse("^ and $ are supported at its ends only");
    return write_(Set{{c, c}});
  }

  Set char_class() {
    const bool is_negated = take('^');
    Set out;
    while (!take(']')) {
      const Set from = class_item();
      // A range needs one character on either side.
      const bool is_one = from.size() == 1 && from[0].first == from[0].last;
      if (is_one && left_.size() > 1 && left_[0] == '-' && left_[1] != ']') {
        left_.remove_prefix(1);
        const Set to = class_item();
        if (to.size() != 1 || to[0].first != to[0].last ||
            to[0].first < from[0].first)
          refuse("a range's ends are out of order");
        out.push_back({from[0].first, to[0].first});
      } else {
        out.insert(out.end(), from.begin(), from.end());
      }
    }
    return is_negated ? complement(std::move(out)) : out;
  }

  Set class_item() {
    if (take('\\')) return escaped();
    const char32_t c = character();
    return {{c, c}};
  }

  Set escaped() {
    const char32_t c = character();
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return complement(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return complement(kWord);
      case 's':
        return kSpaces;
      case 'S':
        return complement(kSpaces);
      case 'n':
        return {{'\n', '\n'}};
      case 'r':
        return {{'\r', '\r'}};
      case 't':
        return {{'\t', '\t'}};
      case 'f':
        return {{'\f', '\f'}};
      case 'v':
        return {{'\v', '\v'}};
      case 'u':
        return hexadecimal(4);
      case 'x':
        return hexadecimal(2);
      default:
        break;
    }
    const bool is_name = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z');
    std::string name;
    append_utf8(name, c);
    if (is_name) refuse(fmt::format("\\{} is not supported", name));
    return {{c, c}};
  }

  Set hexadecimal(size_t digits) {
    char32_t out = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char32_t c = character();
      const std::string_view kDigitsOf16 = "0123456789abcdef";
      const size_t digit =
          c < 128
              ? kDigitsOf16.find(static_cast<char>(c | (c > '9' ? 0x20 : 0)))
              : std::string_view::npos;
      if (digit == std::string_view::npos)
        refuse("a \\u or \\x is not followed by hexadecimal digits");
      out = out * 16 + static_cast<char32_t>(digit);
    }
    return {{out, out}};
  }

  Grammar& grammar_;
  std::string_view all_, left_;
  const WriteCharacters& write_;
  int depth_ = 0;
};

}  // namespace

Grammar::Node add_pattern(Grammar& grammar, std::string_view pattern,
                          const WriteCharacters& write) {
  return PatternParser(grammar, pattern, write).parse();
}

}  // namespace seodang
