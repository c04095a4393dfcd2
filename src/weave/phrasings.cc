#include "weave/phrasings.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "weave/english.h"
#include "weave/particles.h"

namespace seodang {
namespace {

using std::string_view;
using Kind = PhrasingNode::Kind;
constexpr int kChoices = 4, kMaxDepth = 20;

class Parser {
 public:
  Parser(string_view line, std::string where)
      : line_(line), where_(std::move(where)) {}

  PhrasingNode parse() {
    PhrasingNode node = sequence("");
    if (at_ < line_.size()) fail("a ] or | without its [");
    return node;
  }

 private:
  [[noreturn]] void fail(string_view what) const {
    throw Error("{}: column {}: {}", where_, at_ + 1, what);
  }

  // Up to the end of the line or, inside [], a character of `stops`.
  PhrasingNode sequence(string_view stops) {
    PhrasingNode node;
    std::string text;
    const auto flush = [&] {
      if (text.empty()) return;
      node.parts.push_back({.kind = Kind::text, .text = std::move(text)});
      text.clear();
    };
    while (at_ < line_.size()) {
      const char c = line_[at_];
      if (stops.find(c) != stops.npos || (stops.empty() && c == ']')) break;
      if (c == '\\' && at_ + 1 < line_.size()) {
        text += line_[at_ + 1] == 'n' ? '\n' : line_[at_ + 1];
        at_ += 2;
      } else if (c == '{') {
        flush();
        node.parts.push_back(value());
      } else if (c == '[') {
        flush();
        node.parts.push_back(alternatives());
      } else if (c == '<') {
        flush();
        node.parts.push_back(
            {.kind = Kind::pool, .text = std::string(enclosed('>'))});
      } else {
        text += c;
        ++at_;
      }
    }
    flush();
    return node;
  }

  string_view enclosed(char close) {
    const size_t end = line_.find(close, at_);
    if (end == line_.npos) fail(fmt::format("no {} closes this", close));
    const string_view inside = line_.substr(at_ + 1, end - at_ - 1);
    if (inside.empty()) fail("nothing inside");
    at_ = end + 1;
    return inside;
  }

  PhrasingNode value() {
    string_view inside = enclosed('}');
    PhrasingNode node{.kind = Kind::value};
    if (const size_t equals = inside.find('='); equals != inside.npos) {
      const string_view pool = inside.substr(equals + 1);
      if (equals == 0 || pool.size() < 3 || pool.front() != '<' ||
          pool.back() != '>')
        fail("a binding is written {name=<pool>}");
      return {
          .kind = Kind::binding,
          .text = std::string(inside.substr(0, equals)),
          .parts = {{.kind = Kind::pool,
                     .text = std::string(pool.substr(1, pool.size() - 2))}}};
    }
    if (inside.starts_with('^')) {
      node.capital = true;
      inside.remove_prefix(1);
    }
    if (const size_t bar = inside.find('|'); bar != inside.npos) {
      node.particle = inside.substr(bar + 1);
      if (node.particle != "a" && node.particle != "s")
        particle_form("", node.particle);  // throws for an unknown one
      inside = inside.substr(0, bar);
    }
    if (inside.ends_with('*') || inside.ends_with('+')) {
      node.list = inside.back();
      inside.remove_suffix(1);
    }
    if (inside.starts_with("b.")) {
      node.other = true;
      inside.remove_prefix(2);
    }
    if (inside.empty()) fail("no attribute is named");
    node.text = inside;
    return node;
  }

  PhrasingNode alternatives() {
    PhrasingNode node{.kind = Kind::alternatives};
    do {
      ++at_;  // [ or |
      node.parts.push_back(sequence("|]"));
      if (at_ == line_.size()) fail("no ] closes a [");
    } while (line_[at_] == '|');
    ++at_;
    return node;
  }

  string_view line_;
  std::string where_;
  size_t at_ = 0;
};

std::string mark(int index, string_view style) {
  if (style == "①") {
    std::string result;
    append_utf8(result, U'①' + static_cast<char32_t>(index));
    return result;
  }
  return std::string(1, static_cast<char>((style == "A" ? 'A' : '1') + index));
}

std::string joined(const std::vector<std::string>& items,
                   const FactTable& facts, const std::string& language) {
  std::string result = items.front();
  for (size_t i = 1; i < items.size(); ++i) {
    const bool last = i + 1 == items.size();
    if (language == "ko")
      result +=
          items.size() == 2
              ? particle_form(facts.spoken(language, result), "과와") + " "
              : ", ";
    else
      result += last ? " and " : ", ";
    result += items[i];
  }
  return result;
}

std::string key(const WeaveContext& context, string_view style) {
  std::string result;
  for (size_t i = 0; i < context.key.size(); ++i)
    result += fmt::format("{}{}-{}", i ? ", " : "", i + 1,
                          mark(context.key[i].first - 1, style));
  return result;
}

std::string answers(const WeaveContext& context) {
  std::string result;
  for (size_t i = 0; i < context.key.size(); ++i)
    result +=
        fmt::format("{}{}. {}", i ? ", " : "", i + 1, context.key[i].second);
  return result;
}

// What {n}, {choice1} and their like stand for; empty when `name` is none.
std::string of_sheet(const std::string& name, const WeaveContext& context) {
  if (name == "n") return std::to_string(context.number);
  if (name == "key" || name == "key①" || name == "keyA")
    return key(context, string_view(name).substr(3));
  if (name == "answers") return answers(context);
  if (context.choices.empty()) return "";
  if (name == "answer") return context.choices[context.right];
  if (name == "right" || name == "right①" || name == "rightA")
    return mark(context.right, string_view(name).substr(5));
  if (name.starts_with("choice") && name.size() == 7) {
    const size_t index = static_cast<size_t>(name[6] - '1');
    if (index < context.choices.size()) return context.choices[index];
  }
  return "";
}

// Right answer and wrong ones in random order, for the pools that offer them.
void draw_choices(WeaveContext& context, Rng& rng) {
  context.choices.clear();
  const auto& right =
      context.facts->values(context.entity, context.language, context.asked);
  if (right.size() != 1) return;
  context.choices =
      context.facts->wrong(context.entity, context.language, context.asked,
                           kChoices - 1, *context.others, rng);
  context.right = static_cast<int>(rng.below(context.choices.size() + 1));
  context.choices.insert(context.choices.begin() + context.right, right[0]);
}

void add_bindings(const PhrasingNode& node,
                  std::set<std::string, std::less<>>& names) {
  if (node.kind == Kind::binding) names.insert(node.text);
  for (const PhrasingNode& part : node.parts) add_bindings(part, names);
}

// The first attribute in the phrasing that is not among `known`.
const std::string* unknown_value(
    const PhrasingNode& node, const std::set<std::string, std::less<>>& known) {
  if (node.kind == Kind::value && !known.contains(node.text)) return &node.text;
  for (const PhrasingNode& part : node.parts)
    if (const std::string* unknown = unknown_value(part, known)) return unknown;
  return nullptr;
}

}  // namespace

size_t Deck::deal(Rng& rng) {
  if (next_ == order_.size()) {
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    rng.shuffle(std::span(order_));
    next_ = 0;
  }
  return order_[next_++];
}

Phrasings Phrasings::load(const std::vector<std::filesystem::path>& files,
                          const FactTable& facts, const std::string& language) {
  Phrasings result;
  for (const auto& file : files) {
    if (result.name_.empty()) result.name_ = file.string();
    const std::string text = read_file(file);
    if (const size_t bad = find_invalid_utf8(text); bad != text.npos)
      throw Error("{}: byte {} is not UTF-8", file.string(), bad);
    Pool* pool = nullptr;
    int number = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      string_view line = string_view(text).substr(at, end - at);
      at = end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      const std::string where = fmt::format("{}:{}", file.string(), ++number);
      if (line.empty() || line.starts_with('#')) continue;
      if (line.starts_with("= ")) {
        pool = &result.pools_[std::string(line.substr(2))];
        continue;
      }
      if (!pool)
        throw Error("{}: a phrasing before the first pool (= NAME)", where);
      try {
        pool->phrasings.push_back(Parser(line, where).parse());
      } catch (const Error& error) {
        if (string_view(error.what()).starts_with(where)) throw;
        throw Error("{}: {}", where, error.what());
      }
      pool->where.push_back(where);
    }
  }
  for (auto& [name, pool] : result.pools_)
    pool.deck = Deck(pool.phrasings.size());
  result.check_attributes(facts, language);
  return result;
}

Pool& Phrasings::find(const std::string& pool) {
  const auto found = pools_.find(pool);
  if (found == pools_.end() || found->second.phrasings.empty())
    throw Error("{}: there is no phrasing in the pool \"{}\" (= {})", name_,
                pool, pool);
  return found->second;
}

void Phrasings::check_attributes(const FactTable& facts,
                                 const std::string& language) const {
  std::set<std::string, std::less<>> known = {
      "n",    "answer",  "right",   "right①",  "rightA",  "key",    "key①",
      "keyA", "answers", "choice1", "choice2", "choice3", "choice4"};
  for (const Entity& entity : facts.entities())
    if (const auto in = entity.in.find(language); in != entity.in.end())
      for (const auto& [attribute, values] : in->second.values)
        known.insert(attribute);
  for (const auto& [name, pool] : pools_)
    for (const PhrasingNode& phrasing : pool.phrasings)
      add_bindings(phrasing, known);
  for (const auto& [name, pool] : pools_)
    for (size_t i = 0; i < pool.phrasings.size(); ++i)
      if (const std::string* unknown = unknown_value(pool.phrasings[i], known))
        throw Error("{}: no fact of the language \"{}\" is called {{{}}}",
                    pool.where[i], language, *unknown);
}

bool Phrasings::say(const std::string& pool_name, WeaveContext& context,
                    Rng& rng, std::string& out) {
  Pool& pool = find(pool_name);
  context.asked = pool_name.substr(0, pool_name.find('.'));
  if (context.entity >= 0) draw_choices(context, rng);
  for (size_t tries = 2 * pool.deck.size(); tries > 0; --tries) {
    const size_t length = out.size(), said = context.said.size();
    if (render(pool.phrasings[pool.deck.deal(rng)], context, rng, out))
      return true;
    out.resize(length);
    context.said.resize(said);
  }
  return false;
}

bool Phrasings::render(const PhrasingNode& node, WeaveContext& context,
                       Rng& rng, std::string& out) {
  switch (node.kind) {
    case Kind::text:
      out += node.text;
      return true;
    case Kind::sequence:
      return std::ranges::all_of(node.parts, [&](const PhrasingNode& part) {
        return render(part, context, rng, out);
      });
    case Kind::alternatives:
      return render(node.parts[rng.below(node.parts.size())], context, rng,
                    out);
    case Kind::pool: {
      Pool& pool = find(node.text);
      if (context.depth == kMaxDepth)
        throw Error("{}: the pool \"{}\" leads back to itself", name_,
                    node.text);
      ++context.depth;
      const bool said =
          render(pool.phrasings[pool.deck.deal(rng)], context, rng, out);
      --context.depth;
      return said;
    }
    case Kind::binding: {
      std::string value;
      if (!render(node.parts.front(), context, rng, value)) return false;
      context.bound[node.text] = std::move(value);
      return true;
    }
    case Kind::value:
      break;
  }
  const auto bound = context.bound.find(node.text);
  std::string value = bound != context.bound.end()
                          ? bound->second
                          : of_sheet(node.text, context);
  if (value.empty()) {
    int entity = context.entity;
    if (node.other) {
      if (context.others->size() < 2) return false;
      while (context.other < 0 || context.other == context.entity)
        context.other = (*context.others)[rng.below(context.others->size())];
      entity = context.other;
    }
    if (entity < 0) return false;
    const auto& values =
        context.facts->values(entity, context.language, node.text);
    if (values.empty() || (node.list == 0 && values.size() > 1) ||
        (node.list == '+' && values.size() < 2))
      return false;
    value = joined(values, *context.facts, context.language);
    context.said.emplace_back(entity, node.text);
  } else if (node.text == "answer") {
    context.said.emplace_back(context.entity, context.asked);
  }
  const std::string& spoken = context.facts->spoken(context.language, value);
  std::string said =
      node.particle.empty()  ? value
      : node.particle == "a" ? fmt::format("{} {}", article(spoken), value)
      : node.particle == "s" ? plural(value)
                             : value + particle_form(spoken, node.particle);
  if (node.capital)
    said[0] =
        static_cast<char>(std::toupper(static_cast<unsigned char>(said[0])));
  out += said;
  return true;
}

}  // namespace seodang
