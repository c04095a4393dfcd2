// Files of phrasings, and how a phrasing becomes text. The notation is
// described in docs/weaving.md, section 2:
//
//   = capital
//   {name}의 [수도|서울]는 {capital|이다}. <greeting>\n
//
// The part of a pool's name before the first dot is the attribute it asks for
// or tells: what {answer} and {choice1} are values of.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "weave/fact_table.h"

namespace seodang {

// One node of a parsed phrasing.
struct PhrasingNode {
  enum class Kind { sequence, text, value, alternatives, pool, binding };
  Kind kind = Kind::sequence;
  std::string text{};      // literal; attribute; name of the pool; bound name
  std::string particle{};  // of a value; empty for none
  char list = 0;           // of a value: '*', '+' or 0
  bool capital = false;    // of a value: '^'
  bool other = false;      // of a value: "b."
  std::vector<PhrasingNode> parts{};  // of a binding: the pool
};

// Deals indices in random order, all of them before any again.
class Deck {
 public:
  explicit Deck(size_t size = 0) : order_(size), next_(size) {}
  size_t size() const { return order_.size(); }
  size_t deal(Rng& rng);  // size() > 0

 private:
  std::vector<size_t> order_;
  size_t next_;
};

struct Pool {
  std::vector<PhrasingNode> phrasings;
  std::vector<std::string> where;  // file:line of each
  Deck deck;
};

// What a text has said: which attributes of which things, by index.
using Said = std::vector<std::pair<int, std::string>>;

// What the text is about, and what has been said in it.
struct WeaveContext {
  const FactTable* facts = nullptr;
  // {b.x} and wrong choices are of these.
  const std::vector<int>* others = nullptr;
  std::string language{};
  int entity = -1;  // -1: none
  int other = -1;
  // Sheets.
  int number = 0;
  std::string asked{};  // attribute
  std::vector<std::string> choices{};
  int right = 0;  // index in choices
  std::vector<std::pair<int, std::string>>
      key{};  // (right + 1, answer) an item
  Said said{};
  std::map<std::string, std::string> bound{};
  int depth = 0;  // of pools within pools
};

class Phrasings {
 public:
  // Throws Error naming file and line; also for an attribute that no thing has
  // in `language`: it would silence its phrasing without a word.
  static Phrasings load(const std::vector<std::filesystem::path>& files,
                        const FactTable& facts, const std::string& language);

  // Appends one phrasing of the pool that can be said of context.entity to
  // `out`; false, and nothing appended, when there is none. Sets
  // context.asked.
  bool say(const std::string& pool, WeaveContext& context, Rng& rng,
           std::string& out);

 private:
  void check_attributes(const FactTable& facts,
                        const std::string& language) const;
  Pool& find(const std::string& pool);
  bool render(const PhrasingNode& node, WeaveContext& context, Rng& rng,
              std::string& out);

  std::map<std::string, Pool> pools_;
  std::string name_;  // of the first file, for messages
};

}  // namespace seodang
