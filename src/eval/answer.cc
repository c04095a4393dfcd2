#include "eval/answer.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/utf8.h"

namespace seodang {
namespace {

constexpr size_t kMostSentences = 2;

bool contains(std::u32string_view set, char32_t c) {
  return set.find(c) != std::u32string_view::npos;
}

std::u32string_view trimmed(std::u32string_view text) {
  const auto space = [](char32_t c) {
    return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0;
  };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

bool has_broken_characters(std::u32string_view text) {
  return std::any_of(text.begin(), text.end(), [](char32_t c) {
    return c == 0xFFFD || (c < 0x20 && c != '\n' && c != '\t' && c != '\r') ||
           (c >= 0x7F && c < 0xA0);
  });
}

bool has_line_break(std::u32string_view text) {
  return text.find_first_of(U"\n\r\u2028\u2029") != std::u32string_view::npos;
}

bool has_markup(std::u32string_view text) {
  return text.find_first_of(U"|[]{}<>`*#_=\\\t") != std::u32string_view::npos;
}

// "(A)", "b)", "3)", "가)", ①; and "A. " or "1. " at the beginning.
bool has_choices(std::u32string_view text) {
  const auto is_label = [](std::u32string_view label) {
    if (label.size() == 1)
      return contains(U"ABCDEFabcdefㄱㄴㄷㄹㅁ가나다라마바", label[0]) ||
             u_isdigit(static_cast<UChar32>(label[0]));
    return label.size() == 2 && u_isdigit(static_cast<UChar32>(label[0])) &&
           u_isdigit(static_cast<UChar32>(label[1]));
  };
  size_t word = 0;  // where the word at hand begins
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if ((c >= 0x2460 && c <= 0x24FF) || (c >= 0x3200 && c <= 0x32FF))
      return true;
    const std::u32string_view label = text.substr(word, i - word);
    if (c == ')' && is_label(label)) return true;
    if (c == '.' && word == 0 && is_label(label) && i + 1 < text.size() &&
        text[i + 1] == ' ')
      return true;
    if (c == ' ' || c == '(') word = i + 1;
  }
  return false;
}

// A word of exam papers or of dialogues, perhaps a number, and a colon.
bool has_header(std::u32string_view text) {
  static const std::set<std::u32string, std::less<>> headers = {
      U"정답",   U"답",     U"해답",     U"문제",     U"질문",    U"보기",
      U"해설",   U"문",     U"사용자",   U"도우미",   U"시스템",  U"q",
      U"a",      U"answer", U"key",      U"choices",  U"options", U"user",
      U"system", U"human",  U"question", U"assistant"};
  std::u32string word;
  bool in_word = false;
  for (const char32_t c : text) {
    if ((c == ':' || c == 0xFF1A) && headers.contains(word)) return true;
    const auto code = static_cast<UChar32>(c);
    if (u_isalpha(code)) {
      if (!in_word) word.clear();
      word.push_back(static_cast<char32_t>(u_tolower(code)));
    } else if (c != ' ' && !u_isdigit(code)) {
      word.clear();
    }
    in_word = u_isalpha(code) != 0;
  }
  return false;
}

// Behind marks of a list or of emphasis.
bool begins_in_lower_case(std::u32string_view text) {
  for (const char32_t c : text)
    if (const auto code = static_cast<UChar32>(c); u_isalnum(code))
      return u_islower(code) != 0;
  return false;
}

bool begins_a_sentence(std::u32string_view text) {
  if (contains(U"\"'“‘「『《〈(", text[0])) return true;
  const auto first = static_cast<UChar32>(text[0]);
  return u_isalnum(first) && !u_islower(first);
}

bool ends_a_sentence(std::u32string_view text) {
  while (text.size() > 1 && contains(U"\"'”’」』》〉)", text.back()))
    text.remove_suffix(1);
  if (text.ends_with(U"...")) return false;
  return contains(U".!。\uFF01다요죠", text.back());
}

// A full stop behind "St", "D" or "Dr" ends no sentence.
size_t count_sentences(std::u32string_view text) {
  size_t count = 0, letters = 0;
  bool capital = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (contains(U".!。\uFF01", c)) {
      const bool last = i + 1 == text.size();
      const bool abbreviation = c == '.' && capital && letters <= 2 && !last;
      if (!abbreviation && (last || contains(U" \"'”’」』》)", text[i + 1])))
        ++count;
    }
    if (u_isalpha(static_cast<UChar32>(c))) {
      if (letters == 0) capital = u_isupper(static_cast<UChar32>(c)) != 0;
      ++letters;
    } else {
      letters = 0;
      capital = false;
    }
  }
  return count;
}

// The same words three times in a row (four words or more: twice), or the same
// letters four times.
bool loops(const PlainText& text) {
  std::vector<std::u32string> words;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.starts_word[i]) words.emplace_back();
    words.back().push_back(text.letters[i]);
  }
  const auto repeats = [](const auto& sequence, size_t period, size_t times) {
    size_t run = 0;  // items equal to the one a period before
    for (size_t i = period; i < sequence.size(); ++i) {
      run = sequence[i] == sequence[i - period] ? run + 1 : 0;
      if (run >= period * (times - 1)) return true;
    }
    return false;
  };
  for (size_t period = 1; period <= words.size() / 2; ++period)
    if (repeats(words, period, period < 4 ? 3 : 2)) return true;
  // Short runs are words ("1000000", "하하하하").
  for (size_t period = 1; period <= text.size() / 4; ++period)
    if (repeats(text.letters, period, period < 3 ? 8 : 4)) return true;
  return false;
}

// All of the question, or most of it and nothing else.
bool repeats_question(const PlainText& text, const PlainText& question) {
  return 2 * text.size() >= question.size() &&
         question.letters.find(text.letters) != std::u32string::npos;
}

// The question as a whole, so that what it names is known.
PlainText all_of(const Question& question) {
  return PlainText(question.instruction + "\n" + question.input);
}

}  // namespace

std::string_view Grader::ill_formed_because(const Question& question,
                                            std::string_view utf8,
                                            bool stopped) const {
  if (!stopped) return "did not stop by itself";
  if (find_invalid_utf8(utf8) != std::string_view::npos)
    return "broken characters";
  const std::u32string all = code_points(utf8);
  const std::u32string_view text = trimmed(all);
  const PlainText plain(utf8);
  if (plain.size() == 0) return "says nothing";
  if (has_broken_characters(text)) return "broken characters";
  if (has_header(text)) return "header";
  if (loops(plain)) return "repeats itself";
  if (std::ranges::any_of(facts_, [&](const PlainText& fact) {
        return fact.letters == plain.letters;
      }))
    return {};  // "서울": a bare fact, right or wrong
  if (repeats_question(plain, PlainText(question.instruction)))
    return "repeats the question";
  if (begins_in_lower_case(text)) return "begins inside a sentence";
  if (style_ == AnswerStyle::any) return {};
  if (has_line_break(text)) return "more than one line";
  if (has_markup(text)) return "markup";
  if (has_choices(text)) return "choices";
  if (text.find_first_of(U"?\uFF1F") != std::u32string_view::npos)
    return "asks a question";
  if (!begins_a_sentence(text)) return "begins inside a sentence";
  if (!ends_a_sentence(text)) return "ends inside a sentence";
  if (count_sentences(text) > kMostSentences) return "goes on and on";
  return {};
}

Grader::Grader(const Suite& suite) : style_(suite.style) {
  std::set<std::string> names;
  for (const Question& question : suite.questions) {
    names.insert(question.answers.begin(), question.answers.end());
    names.insert(question.wrong.begin(), question.wrong.end());
  }
  std::set<std::u32string> known;
  for (const std::string& name : names) {
    PlainText fact(name);
    if (fact.size() > 0 && known.insert(fact.letters).second)
      facts_.push_back(std::move(fact));
  }
  std::stable_sort(facts_.begin(), facts_.end(),
                   [](const PlainText& a, const PlainText& b) {
                     return a.size() > b.size();
                   });
}

bool Grader::correct(const Question& question, std::string_view utf8) const {
  const PlainText text(utf8), asked = all_of(question);
  std::set<std::u32string> accepted, wrong;
  bool echo = false;  // an accepted fact is a name in the question itself
  for (const std::string& name : question.answers) {
    const PlainText fact(name);
    accepted.insert(fact.letters);
    echo = echo || stands_in(asked, fact);
  }
  for (const std::string& name : question.wrong) {
    const PlainText fact(name);
    if (!accepted.contains(fact.letters) && !stands_in(asked, fact))
      wrong.insert(fact.letters);
  }

  // Longer facts take their place in the text first.
  std::vector<bool> taken(text.size(), false);
  bool holds = false;
  for (const PlainText& fact : facts_) {
    for (size_t at = 0; at + fact.size() <= text.size(); ++at) {
      if (taken[at] || !stands_at(text, at, fact)) continue;
      const auto begin = taken.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = begin + static_cast<std::ptrdiff_t>(fact.size());
      if (std::find(begin, end, true) != end) continue;
      std::fill(begin, end, true);
      if (accepted.contains(fact.letters))
        holds = true;
      else if (wrong.contains(fact.letters) ||
               (echo && !stands_in(asked, fact)))
        return false;
    }
  }
  return holds;
}

}  // namespace seodang
