#include "weave/reading.h"

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "weave/phrasings.h"

namespace seodang {
namespace {

struct Text {
  std::string text;
  Said said;
};

// Deals each of `pools` to a thing in turn, none twice in one document.
class Topics {
 public:
  explicit Topics(size_t pools) : deck_(pools) {}
  std::vector<size_t> deal(size_t count, Rng& rng) {
    std::vector<size_t> result;
    for (size_t tries = 0; result.size() < std::min(count, deck_.size()) &&
                           tries < 4 * deck_.size() + count;
         ++tries) {
      const size_t pool = deck_.deal(rng);
      if (std::ranges::find(result, pool) == result.end())
        result.push_back(pool);
    }
    return result;
  }

 private:
  Deck deck_;
};

class GenreWeaver {
 public:
  GenreWeaver(const Genre& genre, const FactTable& facts, const Split& split,
              const std::vector<int>& things, uint64_t seed, uint64_t stream)
      : genre_(genre),
        facts_(facts),
        split_(split),
        things_(things),
        phrasings_(Phrasings::load(genre.files, facts, genre.language)),
        rng_(seed, stream) {}

  std::vector<Text> weave() {
    switch (genre_.subject) {
      case Subject::one:
        about_one();
        break;
      case Subject::many:
        about_many();
        break;
      case Subject::none:
        for (int i = 0; i < genre_.documents; ++i) about_none();
        break;
    }
    return std::move(texts_);
  }

 private:
  size_t item_count() {
    return genre_.least_items +
           rng_.below(genre_.most_items - genre_.least_items + 1);
  }

  WeaveContext context(int entity) const {
    return {.facts = &facts_,
            .others = &things_,
            .language = genre_.language,
            .entity = entity};
  }

  void add_part(const std::string& pool, WeaveContext& context,
                std::string& text) {
    if (pool.empty()) return;
    std::string part;
    if (!say(pool, context, part)) return;
    if (!text.empty()) text += genre_.separator;
    text += part;
  }

  // In a genre about what is taught nothing else is named, not as a neighbour
  // either.
  bool say(const std::string& pool, WeaveContext& context, std::string& part) {
    return genre_.about == About::taught
               ? say_unreserved(phrasings_, pool, split_, context, rng_, part)
               : phrasings_.say(pool, context, rng_, part) && !part.empty();
  }

  void finish(std::string text, WeaveContext& context) {
    if (!text.empty())
      texts_.push_back({std::move(text), std::move(context.said)});
  }

  void about_one() {
    for (int entity : things_) {
      Topics topics(genre_.pools.size());
      for (int i = 0; i < genre_.each; ++i) {
        WeaveContext here = context(entity);
        std::string text;
        add_part(genre_.head, here, text);
        for (size_t pool : topics.deal(item_count(), rng_)) {
          here.other = -1;
          add_part(genre_.pools[pool], here, text);
        }
        add_part(genre_.foot, here, text);
        finish(std::move(text), here);
      }
    }
  }

  void about_many() {
    std::vector<std::pair<int, size_t>> items;
    for (int round = 0; round < genre_.each; ++round) {
      const size_t first = items.size();
      for (int entity : things_)
        for (size_t pool = 0; pool < genre_.pools.size(); ++pool)
          items.emplace_back(entity, pool);
      rng_.shuffle(std::span(items).subspan(first));
    }
    for (size_t at = 0; at < items.size();) {
      const size_t end = std::min(items.size(), at + item_count());
      WeaveContext here = context(-1);
      std::string text;
      add_part(genre_.head, here, text);
      for (; at < end; ++at) {
        const auto [entity, pool] = items[at];
        here.entity = entity;
        here.other = -1;
        ++here.number;
        const size_t length = text.size();
        add_part(genre_.pools[pool], here, text);
        if (text.size() == length)
          --here.number;
        else if (!here.choices.empty())
          here.key.emplace_back(here.right + 1, here.choices[here.right]);
      }
      here.entity = -1;
      add_part(genre_.foot, here, text);
      finish(std::move(text), here);
    }
  }

  void about_none() {
    WeaveContext here = context(-1);
    std::string text;
    add_part(genre_.head, here, text);
    Topics topics(genre_.pools.size());
    const size_t count = item_count();
    for (size_t i = 0; i < count; ++i)
      add_part(genre_.pools[topics.deal(1, rng_).front()], here, text);
    add_part(genre_.foot, here, text);
    finish(std::move(text), here);
  }

  const Genre& genre_;
  const FactTable& facts_;
  const Split& split_;
  const std::vector<int>& things_;  // that it is about
  Phrasings phrasings_;
  Rng rng_;
  std::vector<Text> texts_;
};

void count_mentions(const std::vector<Text>& texts, const std::string& language,
                    std::map<std::string, std::vector<int64_t>>& counts,
                    const FactTable& facts) {
  for (const Text& text : texts)
    for (const auto& [entity, attribute] : text.said) {
      auto& of = counts[attribute + "." + language];
      of.resize(facts.entities().size());
      ++of[entity];
    }
}

Mentions summary(const std::vector<int64_t>& counts) {
  std::vector<int64_t> told;
  for (int64_t count : counts)
    if (count > 0) told.push_back(count);
  if (told.empty()) return {};
  std::ranges::sort(told);
  return {static_cast<int64_t>(told.size()), told.front(),
          told[told.size() / 2]};
}

}  // namespace

Reading weave_reading(const WeavePlan& plan, const FactTable& facts,
                      const Split& split, uint64_t seed, uint64_t stream) {
  const std::vector<int> everything = facts.all();
  std::map<std::string, std::vector<int64_t>> counts;
  std::set<std::string> told;
  Reading result;
  for (size_t i = 0; i < plan.genres.size(); ++i) {
    const Genre& genre = plan.genres[i];
    std::vector<Text> texts =
        GenreWeaver(genre, facts, split,
                    genre.about == About::taught ? split.taught() : everything,
                    seed, mix_bits(stream, i))
            .weave();
    // Small phrasings come out alike now and then; a text is told once.
    std::erase_if(texts, [&](const Text& text) {
      return !told.insert(text.text).second;
    });
    result.documents[genre.name + "." + genre.language] +=
        static_cast<int64_t>(texts.size());
    count_mentions(texts, genre.language, counts, facts);
    for (Text& text : texts) result.texts.push_back(std::move(text.text));
  }
  for (const auto& [attribute, of] : counts)
    result.mentions[attribute] = summary(of);
  return result;
}

}  // namespace seodang
