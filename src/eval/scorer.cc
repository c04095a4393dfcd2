#include "eval/scorer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "base/error.h"
#include "formats/toml_table.h"
#include "jinja/python_string.h"
#include "tokenizer/regex.h"

namespace seodang {
namespace {

using Captures = std::vector<std::vector<std::string_view>>;

constexpr std::string_view kSpaces = " \t\r";

std::string_view without_spaces_around(std::string_view text) {
  return jinja::strip(text, jinja::Side::both, kSpaces);
}

bool in_order(std::string_view output, const std::vector<std::string>& wanted) {
  auto lines = jinja::split(output, "\n", -1);
  for (std::string& line : lines) line = without_spaces_around(line);
  auto from = lines.begin();
  return std::ranges::all_of(wanted, [&](const std::string& line) {
    if (std::ranges::count(lines, line) != 1) return false;
    from = std::find(from, lines.end(), line);
    return from++ != lines.end();
  });
}

// In ten-thousandths, so that sums of prices are exact; thousands may be parted
// by commas.
std::optional<int64_t> number(std::string_view text) {
  constexpr size_t kDigits = 4, kMostDigits = 14;
  std::string whole, fraction;
  bool point = false, negative = false;
  text = without_spaces_around(text);
  if (text.starts_with('-')) {
    negative = true;
    text.remove_prefix(1);
  }
  for (const char c : text) {
    if (c == ',' && !point) continue;
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') return {};
    (point ? fraction : whole) += c;
  }
  if (whole.empty() || whole.size() > kMostDigits || fraction.size() > kDigits)
    return {};
  fraction.resize(kDigits, '0');
  whole += fraction;
  int64_t value = 0;
  std::from_chars(whole.data(), whole.data() + whole.size(), value);
  return negative ? -value : value;
}

bool adds_up(const Captures& addends, const Captures& totals) {
  int64_t sum = 0;
  for (const auto& groups : addends) {
    const auto value = number(groups[0]);
    if (!value) return false;
    sum += *value;
  }
  return !addends.empty() && !totals.empty() &&
         std::ranges::all_of(totals, [&](const auto& groups) {
           return number(groups[0]) == sum;
         });
}

bool matches(const Regex& pattern, std::string_view text) {
  size_t begin = 0, end = 0;
  return pattern.search(text, 0, begin, end);
}

double f1_of_words(std::string_view output, std::string_view wanted) {
  const auto said = jinja::split(output, "", -1);
  const auto due = jinja::split(wanted, "", -1);
  std::map<std::string_view, int64_t> left;
  for (const std::string& word : due) ++left[word];
  double common = 0;
  for (const std::string& word : said)
    if (const auto found = left.find(word);
        found != left.end() && found->second-- > 0)
      ++common;
  const auto both = static_cast<double>(said.size() + due.size());
  return both == 0 ? 1 : 2 * common / both;
}

}  // namespace

struct Scorer::Check {
  std::string name;
  std::optional<Regex> when;
  std::vector<std::string> lines;
  std::optional<Regex> match, absent, input, output, addends, total;

  bool is_for(std::string_view prompt) const {
    return (!when || matches(*when, prompt)) &&
           (!input || matches(*input, prompt));
  }

  bool holds(std::string_view prompt, std::string_view text) const {
    if (!lines.empty()) return in_order(text, lines);
    if (match) return matches(*match, text);
    if (absent) return !matches(*absent, text);
    if (input) return input->captures(prompt) == output->captures(text);
    return adds_up(addends->captures(text), total->captures(text));
  }
};

Scorer::Scorer() = default;

Scorer Scorer::load(const std::filesystem::path& toml) {
  TomlTable top = TomlTable::parse(toml);
  Scorer scorer;
  scorer.file_ = toml;
  for (TomlTable& table : top.tables("check")) {
    auto check = std::make_shared<Check>();
    table("name", check->name);
    if (check->name.empty()) table.fail("name", "is missing");
    check->lines = table.texts("lines");
    const auto pattern = [&](const char* key, std::optional<Regex>& to) {
      if (!table.has(key)) return;
      try {
        to.emplace("(?m)" + table.text(key));
      } catch (const UsageError&) {
        throw;
      } catch (const Error& error) {
        throw UsageError("{}: {}", table.where(key), error.what());
      }
    };
    pattern("when", check->when);
    pattern("match", check->match);
    pattern("absent", check->absent);
    pattern("input", check->input);
    pattern("output", check->output);
    pattern("addends", check->addends);
    pattern("total", check->total);
    table.refuse_unknown();
    const bool copies = check->input && check->output;
    const bool sums = check->addends && check->total;
    if (check->input.has_value() != check->output.has_value() ||
        check->addends.has_value() != check->total.has_value() ||
        (check->lines.empty() ? 0 : 1) + check->match.has_value() +
                check->absent.has_value() + copies + sums !=
            1)
      table.fail("name",
                 "is of a check that needs one of: lines; match; absent; input "
                 "and output; addends and total");
    scorer.checks_.push_back(std::move(check));
  }
  top.refuse_unknown();
  if (scorer.checks_.empty())
    throw UsageError("{}: no [[check]]", toml.string());
  return scorer;
}

Verdict Scorer::judge(std::string_view prompt, std::string_view output,
                      std::string_view wanted, bool stopped) const {
  Verdict verdict;
  if (file_.empty()) {
    verdict.score = stopped ? f1_of_words(output, wanted) : 0;
    if (!stopped) verdict.failed.emplace_back("end");
    return verdict;
  }
  double checks = 1, held = stopped ? 1 : 0;
  if (!stopped) verdict.failed.emplace_back("end");
  for (const auto& check : checks_) {
    if (!check->is_for(prompt)) continue;
    const bool holds = check->holds(prompt, output);
    checks += 1;
    held += holds;
    if (!holds) verdict.failed.push_back(check->name);
  }
  verdict.score = checks == 1 ? 0 : held / checks;
  return verdict;
}

void Scorer::check_fits(const std::vector<std::string>& prompts) const {
  for (const auto& check : checks_)
    if (std::ranges::none_of(prompts, [&](const std::string& prompt) {
          return check->is_for(prompt);
        }))
      throw UsageError(
          "{}: the check '{}' is for none of the {} prompts: its `when` or "
          "`input` matches none",
          file_.string(), check->name, prompts.size());
}

}  // namespace seodang
