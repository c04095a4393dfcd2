#include "jinja/lexer.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/utf8.h"

namespace seodang::jinja {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80);
}

std::string with_unix_newlines(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i] == '\r' ? '\n' : text[i];
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source)
      : source_(with_unix_newlines(source)), rest_(source_) {
    if (rest_.ends_with('\n')) rest_.remove_suffix(1);
  }

  std::vector<Token> run() {
    while (!rest_.empty()) {
      const size_t tag = find_tag();
      if (tag == rest_.npos) {
        add(Token::Kind::text, std::string(take(rest_.size())));
        break;
      }
      read_text(tag);
      const char kind = rest_[1];
      take(2);
      if (rest_.starts_with('-') || rest_.starts_with('+')) take(1);
      if (kind == '#')
        skip_comment();
      else if (kind == '%' && at_raw("raw"))
        read_raw();
      else
        read_tag(kind == '%');
    }
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error("chat template, line {}: {}", line_, what);
  }

  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }

  std::string_view take(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    line_ += static_cast<int>(std::count(taken.begin(), taken.end(), '\n'));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  void take_spaces() {
    take(std::min(rest_.find_first_not_of(kSpaces), rest_.size()));
  }

  size_t find_tag() const {
    size_t at = rest_.find('{');
    while (at != rest_.npos) {
      const char next = at + 1 < rest_.size() ? rest_[at + 1] : ' ';
      if (next == '{' || next == '%' || next == '#') return at;
      at = rest_.find('{', at + 1);
    }
    return at;
  }

  // The text before the tag at `size`, without what the tag strips.
  void read_text(size_t size) {
    std::string_view text = rest_.substr(0, size);
    const char kind = rest_[size + 1];
    const char sign = size + 2 < rest_.size() ? rest_[size + 2] : ' ';
    if (sign == '-') {
      text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
    } else if (sign != '+' && kind != '{') {
      const size_t line = text.rfind('\n') + 1;
      const bool at_line = line > 0 || starts_line_;
      if (at_line && text.find_first_not_of(kSpaces, line) == text.npos)
        text = text.substr(0, line);
    }
    if (!text.empty()) add(Token::Kind::text, std::string(text));
    take(size);
  }

  // After the closing mark: "-" eats all white space, a block one newline.
  void end_tag(bool strip, bool trim_newline) {
    const size_t before = rest_.size();
    const char* begin = rest_.data();
    if (strip)
      take_spaces();
    else if (trim_newline && rest_.starts_with('\n'))
      take(1);
    const size_t eaten = before - rest_.size();
    starts_line_ = eaten > 0 && begin[eaten - 1] == '\n';
  }

  void skip_comment() {
    const size_t end = rest_.find("#}");
    if (end == rest_.npos) fail("a comment is not closed");
    const char sign = end > 0 ? rest_[end - 1] : ' ';
    take(end + 2);
    end_tag(sign == '-', sign != '+');
  }

  // Whether a tag of this name alone is next, behind its "{%".
  bool at_raw(std::string_view name) const {
    std::string_view text = rest_;
    text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
    if (!text.starts_with(name)) return false;
    text.remove_prefix(name.size());
    text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return text.starts_with("%}");
  }

  void end_raw_tag() {
    const size_t end = rest_.find("%}");
    const char sign = end > 0 ? rest_[end - 1] : ' ';
    take(end + 2);
    end_tag(sign == '-', sign != '+');
  }

  // {% raw %}: tags are text up to {% endraw %}.
  void read_raw() {
    end_raw_tag();
    for (size_t at = rest_.find("{%"); at != rest_.npos;
         at = rest_.find("{%", at + 2)) {
      const std::string_view all = rest_;
      const size_t sign =
          all.substr(at + 2, 1) == "-" || all.substr(at + 2, 1) == "+";
      rest_ = all.substr(at + 2 + sign);
      const bool found = at_raw("endraw");
      rest_ = all;
      if (!found) continue;
      read_text(at);
      take(2 + sign);
      end_raw_tag();
      return;
    }
    fail("'endraw' is missing");
  }

  void read_tag(bool block) {
    add(block ? Token::Kind::block_begin : Token::Kind::output_begin, "");
    const std::string_view close = block ? "%}" : "}}";
    for (;;) {
      take_spaces();
      if (rest_.empty()) fail("a tag is not closed");
      const bool sign = rest_[0] == '-' || (block && rest_[0] == '+');
      if (braces_ == 0 && rest_.substr(sign).starts_with(close)) {
        const char mark = rest_[0];
        take(close.size() + sign);
        add(block ? Token::Kind::block_end : Token::Kind::output_end, "");
        end_tag(sign && mark == '-', block && !(sign && mark == '+'));
        return;
      }
      read_token();
    }
  }

  void read_token() {
    const char c = rest_[0];
    if (is_name_start(c)) {
      size_t size = 1;
      while (size < rest_.size() &&
             (is_name_start(rest_[size]) || is_digit(rest_[size])))
        ++size;
      add(Token::Kind::name, std::string(take(size)));
    } else if (is_digit(c)) {
      read_number();
    } else if (c == '"' || c == '\'') {
      read_string(c);
    } else {
      read_symbol();
    }
  }

  void read_number() {
    auto digits = [&](size_t from) {
      while (from < rest_.size() &&
             (is_digit(rest_[from]) || rest_[from] == '_'))
        ++from;
      return from;
    };
    size_t size = digits(0);
    const size_t whole = size;
    if (size + 1 < rest_.size() && rest_[size] == '.' &&
        is_digit(rest_[size + 1]))
      size = digits(size + 1);
    if (size < rest_.size() && (rest_[size] == 'e' || rest_[size] == 'E')) {
      size_t exponent = size + 1;
      if (exponent < rest_.size() &&
          (rest_[exponent] == '+' || rest_[exponent] == '-'))
        ++exponent;
      if (digits(exponent) > exponent) size = digits(exponent);
    }
    std::string text(take(size));
    std::erase(text, '_');
    add(size == whole ? Token::Kind::integer : Token::Kind::real, text);
  }

  void read_string(char quote) {
    take(1);
    std::string out;
    for (;;) {
      if (rest_.empty()) fail("a string is not closed");
      const char c = take(1)[0];
      if (c == quote) break;
      if (c == '\\' && !rest_.empty())
        read_escape(out);
      else
        out += c;
    }
    add(Token::Kind::string, std::move(out));
  }

  // Python's escapes; an unknown one stays as it is written.
  void read_escape(std::string& out) {
    static constexpr std::string_view kFrom = "ntrbfva0\\'\"\n";
    static constexpr std::string_view kTo("\n\t\r\b\f\v\a\0\\'\"", 11);
    const char c = take(1)[0];
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
      append_utf8(out, read_hex(digits));
    } else if (const size_t at = kFrom.find(c); at == kFrom.npos) {
      (out += '\\') += c;
    } else if (at < kTo.size()) {  // an escaped newline leaves nothing
      out += kTo[at];
    }
  }

  char32_t read_hex(size_t digits) {
    char32_t scalar = 0;
    const std::string_view text = take(digits);
    for (char c : text) {
      if (!std::isxdigit(static_cast<unsigned char>(c))) fail("a bad escape");
      scalar = scalar * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (text.size() < digits || scalar > 0x10FFFF ||
        (scalar >= 0xD800 && scalar < 0xE000))
      fail("a bad escape");
    return scalar;
  }

  void read_symbol() {
    for (std::string_view two : {"==", "!=", "<=", ">=", "//", "**"})
      if (rest_.starts_with(two)) {
        add(Token::Kind::symbol, std::string(take(2)));
        return;
      }
    const char c = rest_[0];
    if (std::string_view("+-*/%~<>=.:|,()[]{}").find(c) == std::string::npos)
      fail(fmt::format("unexpected character '{}'", c));
    if (c == '{' || c == '[' || c == '(') ++braces_;
    if ((c == '}' || c == ']' || c == ')') && --braces_ < 0)
      fail(fmt::format("unexpected '{}'", c));
    add(Token::Kind::symbol, std::string(take(1)));
  }

  const std::string source_;
  std::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  int braces_ = 0;           // open brackets in this tag
  bool starts_line_ = true;  // what follows is at the beginning of a line
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace seodang::jinja
