#include "weave/held_out.h"

#include <algorithm>
#include <numeric>
#include <set>

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

// Whether text[at, at + size) lies within an occurrence of one of `longer`.
bool is_within(const std::string& text, size_t at, const std::string& name,
               const std::vector<std::string>& longer) {
  return std::ranges::any_of(longer, [&](const std::string& value) {
    for (size_t offset = value.find(name); offset != value.npos;
         offset = value.find(name, offset + 1))
      if (offset <= at && text.compare(at - offset, value.size(), value) == 0)
        return true;
    return false;
  });
}

class Families {
 public:
  explicit Families(size_t size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  int root(int i) const { return parent_[i] == i ? i : root(parent_[i]); }
  void join(int a, int b) { parent_[root(a)] = root(b); }

 private:
  std::vector<int> parent_;
};

}  // namespace

HeldOut::HeldOut(const FactTable& facts, std::vector<std::string> named_by,
                 double share, Rng rng)
    : named_by_(std::move(named_by)) {
  const int count = static_cast<int>(facts.entities().size());
  Families families(count);
  for (const std::string& language : languages(facts)) {
    const Names names = names_in(facts, language, named_by_);
    for (int a = 0; a < count; ++a)
      for (int b = 0; b < count; ++b)
        for (const std::string& long_one : names[a])
          for (const std::string& short_one : names[b])
            if (a != b && long_one.find(short_one) != long_one.npos)
              families.join(a, b);
  }
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  rng.shuffle(std::span(order));
  std::vector<bool> out(count, false);
  const auto wanted = static_cast<int64_t>(share * count + 0.999999);
  for (int drawn : order) {
    if (std::ranges::count(out, true) >= wanted) break;
    for (int i = 0; i < count; ++i)
      if (families.root(i) == families.root(drawn)) out[i] = true;
  }
  for (int i = 0; i < count; ++i) (out[i] ? held_out_ : others_).push_back(i);

  for (const std::string& language : languages(facts)) {
    const Names names = names_in(facts, language, named_by_);
    std::set<std::string> values;
    for (const Entity& entity : facts.entities())
      if (const auto in = entity.in.find(language); in != entity.in.end())
        for (const auto& [attribute, of] : in->second.values)
          if (std::ranges::find(named_by_, attribute) == named_by_.end())
            values.insert(of.begin(), of.end());
    for (int i : held_out_)
      for (const std::string& name : names[i]) {
        Name entry{name, {}};
        for (const std::string& value : values)
          if (value.size() > name.size() && value.find(name) != value.npos)
            entry.within.push_back(value);
        names_[language].push_back(std::move(entry));
      }
  }
}

bool HeldOut::named_in(const std::string& text,
                       const std::string& language) const {
  const auto names = names_.find(language);
  if (names == names_.end()) return false;
  for (const auto& [name, within] : names->second)
    for (size_t at = text.find(name); at != text.npos;
         at = text.find(name, at + 1))
      if (!is_within(text, at, name, within)) return true;
  return false;
}

}  // namespace seodang
