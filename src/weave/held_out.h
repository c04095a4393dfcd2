// Which things no example may ask about or even name.
#pragma once

#include <string>
#include <vector>

#include "base/rng.h"
#include "weave/fact_table.h"

namespace seodang {

class HeldOut {
 public:
  // Holds out at least `share` of the things, drawn by `rng`. `named_by` are
  // the attributes that give a thing away (its name, its capital). Things whose
  // names contain one another's (수단, 남수단) are kept together.
  HeldOut(const FactTable& facts, std::vector<std::string> named_by,
          double share, Rng rng);

  const std::vector<int>& held_out() const { return held_out_; }
  const std::vector<int>& others() const { return others_; }

  // Whether the text names a held-out thing. A name within a longer value that
  // means something else (스페인 in 스페인어, the language of Mexico) does not
  // count.
  bool named_in(const std::string& text, const std::string& language) const;

 private:
  std::vector<std::string> named_by_;
  std::vector<int> held_out_, others_;
  struct Name {
    std::string name;
    std::vector<std::string> within;  // longer values that contain it
  };
  std::map<std::string, std::vector<Name>, std::less<>> names_;  // by language
};

}  // namespace seodang
