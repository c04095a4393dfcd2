// Who is asked about: things whose questions are read and trained on, and two
// groups of which no text asks anything.
#pragma once

#include <string>
#include <vector>

#include "base/rng.h"
#include "data/plain_text.h"
#include "weave/fact_table.h"
#include "weave/phrasings.h"

namespace seodang {

class Split {
 public:
  // Draws two groups by `rng`, each as near to its share of the things as names
  // allow: things whose names contain one another's (수단, 남수단) stay
  // together. `named_by` are the attributes that give a thing away (its name,
  // its capital). Throws Error, naming what ties them, when a group would be
  // far from its share.
  Split(const FactTable& facts, std::vector<std::string> named_by,
        double held_out, double final, Rng rng);

  // In the table's order.
  const std::vector<int>& taught() const { return taught_; }
  // Looked at while a recipe is made; final() is measured and never tuned on.
  const std::vector<int>& held_out() const { return held_out_; }
  const std::vector<int>& final() const { return final_; }

  // Whether the text names, in any language, a thing that is not taught: as
  // words of its own, or followed by Korean particles only (data/plain_text.h).
  // A name within a longer value that means something else ("Singapore dollar")
  // does not count.
  bool names_reserved(const std::string& text) const;

 private:
  std::vector<int> taught_, held_out_, final_;
  struct Name {
    PlainText name;
    std::vector<PlainText> within;  // longer values that contain it
  };
  std::vector<Name> reserved_;
};

// Phrasings::say, drawn again while it names a thing that is not taught; false,
// and nothing in `out`, when that does not end or nothing can be said.
bool say_unreserved(Phrasings& phrasings, const std::string& pool,
                    const Split& split, WeaveContext& context, Rng& rng,
                    std::string& out);

}  // namespace seodang
