#include "weave/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"

namespace seodang {
namespace {

using Names = std::vector<std::vector<std::string>>;  // by thing

Names names_in(const FactTable& facts, const std::string& language,
               const std::vector<std::string>& named_by) {
  Names names(facts.entities().size());
  for (size_t i = 0; i < names.size(); ++i)
    for (const std::string& attribute : named_by)
      for (std::string& name :
           facts.right(static_cast<int>(i), language, attribute))
        names[i].push_back(std::move(name));
  return names;
}

std::set<std::string> languages(const FactTable& facts) {
  std::set<std::string> result;
  for (const Entity& entity : facts.entities())
    for (const auto& [language, description] : entity.in)
      result.insert(language);
  return result;
}

// Whether what stands at text[at] lies within an occurrence of `longer`.
bool is_within(const PlainText& text, size_t at, const PlainText& name,
               const PlainText& longer) {
  for (size_t offset = longer.letters.find(name.letters);
       offset != longer.letters.npos;
       offset = longer.letters.find(name.letters, offset + 1))
    if (offset <= at && stands_at(text, at - offset, longer)) return true;
  return false;
}

class Families {
 public:
  explicit Families(size_t size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  int root(int i) const { return parent_[i] == i ? i : root(parent_[i]); }
  void join(int a, int b) { parent_[root(a)] = root(b); }

  std::vector<int> of(int member) const {
    std::vector<int> family;
    for (int i = 0; i < static_cast<int>(parent_.size()); ++i)
      if (root(i) == root(member)) family.push_back(i);
    return family;
  }

 private:
  std::vector<int> parent_;
};

Families families_of(const FactTable& facts,
                     const std::vector<std::string>& named_by) {
  const int count = static_cast<int>(facts.entities().size());
  Families families(count);
  for (const std::string& language : languages(facts)) {
    std::vector<std::vector<PlainText>> names;
    for (const std::vector<std::string>& of :
         names_in(facts, language, named_by))
      names.emplace_back(of.begin(), of.end());
    for (int a = 0; a < count; ++a)
      for (int b = 0; b < count; ++b)
        if (a != b && std::ranges::any_of(names[b], [&](const PlainText& name) {
              return std::ranges::any_of(names[a],
                                         [&](const PlainText& longer) {
                                           return stands_in(longer, name);
                                         });
            }))
          families.join(a, b);
  }
  return families;
}

[[noreturn]] void refuse(const FactTable& facts, const Families& families,
                         const char* key, double share) {
  std::vector<int> largest;
  for (int i = 0; i < static_cast<int>(facts.entities().size()); ++i)
    if (std::vector<int> family = families.of(i);
        family.size() > largest.size())
      largest = std::move(family);
  std::string tied;
  for (int i : largest)
    tied += (tied.empty() ? "" : ", ") + facts.entities()[i].id;
  throw Error(
      "{} = {} cannot be drawn from {} things: those whose names contain one "
      "another's stay together, such as {}; choose another share, or name them "
      "by fewer attributes (named_by)",
      key, share, facts.entities().size(), tied);
}

// Moves whole families to the group until it has its share.
std::vector<int> draw(const FactTable& facts, const Families& families,
                      const std::vector<int>& order, const char* key,
                      double share, std::vector<bool>& taken) {
  const auto wanted = static_cast<size_t>(
      std::ceil(share * static_cast<double>(order.size()) - 1e-6));
  std::vector<int> group;
  for (int drawn : order) {
    if (taken[drawn]) continue;
    const std::vector<int> family = families.of(drawn);
    if (group.size() + family.size() > wanted) continue;
    for (int i : family) taken[i] = true;
    group.insert(group.end(), family.begin(), family.end());
  }
  if (static_cast<double>(group.size()) < 0.9 * static_cast<double>(wanted))
    refuse(facts, families, key, share);
  std::ranges::sort(group);
  return group;
}

}  // namespace

Split::Split(const FactTable& facts, std::vector<std::string> named_by,
             double held_out, double final, Rng rng) {
  const Families families = families_of(facts, named_by);
  std::vector<int> order = facts.all();
  rng.shuffle(std::span(order));
  std::vector<bool> taken(order.size(), false);
  held_out_ = draw(facts, families, order, "held_out", held_out, taken);
  final_ = draw(facts, families, order, "final", final, taken);
  for (int i = 0; i < static_cast<int>(order.size()); ++i)
    if (!taken[i]) taught_.push_back(i);

  for (const std::string& language : languages(facts)) {
    const Names names = names_in(facts, language, named_by);
    std::set<std::string> values;  // that name nothing
    for (const Entity& entity : facts.entities())
      if (const auto in = entity.in.find(language); in != entity.in.end())
        for (const auto& [attribute, of] : in->second.values)
          values.insert(of.begin(), of.end());
    for (const std::vector<std::string>& of : names)
      for (const std::string& name : of) values.erase(name);
    const std::vector<PlainText> others(values.begin(), values.end());
    for (size_t i = 0; i < names.size(); ++i) {
      if (!taken[i]) continue;
      for (const std::string& name : names[i]) {
        Name entry{PlainText(name), {}};
        std::ranges::copy_if(others, std::back_inserter(entry.within),
                             [&](const PlainText& longer) {
                               return stands_in(longer, entry.name);
                             });
        reserved_.push_back(std::move(entry));
      }
    }
  }
}

bool Split::names_reserved(const std::string& text) const {
  const PlainText plain(text);
  return std::ranges::any_of(reserved_, [&](const Name& reserved) {
    const PlainText& name = reserved.name;
    for (size_t at = plain.letters.find(name.letters); at != plain.letters.npos;
         at = plain.letters.find(name.letters, at + 1))
      if (stands_at(plain, at, name) &&
          std::ranges::none_of(reserved.within, [&](const PlainText& longer) {
            return is_within(plain, at, name, longer);
          }))
        return true;
    return false;
  });
}

bool say_unreserved(Phrasings& phrasings, const std::string& pool,
                    const Split& split, WeaveContext& context, Rng& rng,
                    std::string& out) {
  constexpr int kDrafts = 8;
  const WeaveContext before = context;
  for (int draft = 0; draft < kDrafts; ++draft) {
    out.clear();
    if (!phrasings.say(pool, context, rng, out) || out.empty()) return false;
    if (!split.names_reserved(out)) return true;
    context = before;
  }
  out.clear();
  return false;
}

}  // namespace seodang
