// Files of phrasings, and how a phrasing becomes text.
//
//   # a comment
//   = capital                      a pool: every line below is one phrasing
//   {name}의 수도는 {capital|이다}.
//   [수도|서울]는 <greeting>\n      [a|b] one of these; <pool> a phrasing of
//   that
//                                  pool; \n a line break
//
//   {x}     the value of attribute x; a thing with several has no such phrasing
//   {x*}    all values, as a list; {x+} the same, of two or more
//   {^x}    with a capital letter first
//   {x|은는} with the particle that fits (weave/particles.h)
//   {x|a} {x|s} behind the English article that fits; in the plural
//                (weave/english.h)
//   {b.x}   of another thing
//   {x=<p>} nothing; from here to the end of the text {x} is this phrasing of
//           the pool p
//   {n} {answer} {choice1}…{choice4} {right} {right①} {rightA}
//           in a sheet: the item's number, the right answer, the choices, which
//           of them is right as 3, ③ or C
//   {key} {key①} {keyA} {answers}   the key of the sheet so far
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
