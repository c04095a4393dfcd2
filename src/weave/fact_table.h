// A table of facts: things, and what each language says of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"

namespace seodang {

using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

// What one language says of one thing.
struct Description {
  Values values;  // attribute → its values, most have one
  Values also;    // attribute → other answers that count as right
  Values reading;  // attribute → how its values are read aloud, if not as spelt
};

struct Entity {
  std::string id;
  std::string group;  // things of one group are likely to be confused
  std::map<std::string, Description, std::less<>> in;  // by language
};

class FactTable {
 public:
  // JSON: [{"id":"KR","group":"Asia","ko":{"name":"대한민국","capital":"서울",
  // "language":["한국어"],"also":{"name":["한국"]}},"en":{…}}, …]; "reading"
  // beside "also" says how names such as "SQL" are read. Or a table, .csv or
  // .tsv (formats/csv.h), whose columns are called id, group, ko.name,
  // ko.also.name, ko.reading.name; several values of a cell are parted by ';'.
  // Throws Error naming the file and the thing or line for any other shape.
  static FactTable load(const std::filesystem::path& path);

  // Gives each thing the facts of another, its group included; only the values
  // of `name` and its id stay.
  void permute(const std::string& name, Rng rng);

  const std::vector<Entity>& entities() const { return entities_; }
  std::vector<int> all() const;  // the indices of entities()

  // The values of an attribute; empty when it has none.
  const std::vector<std::string>& values(int entity,
                                         const std::string& language,
                                         const std::string& attribute) const;

  // Every string that counts as right: the values, then `also`.
  std::vector<std::string> right(int entity, const std::string& language,
                                 const std::string& attribute) const;

  // Up to `count` values of other things of `among`, of the same group first,
  // none of which contains a right answer or is contained in one.
  std::vector<std::string> wrong(int entity, const std::string& language,
                                 const std::string& attribute, int count,
                                 const std::vector<int>& among, Rng& rng) const;

  // How a value is read aloud: itself where no fact says otherwise.
  const std::string& spoken(const std::string& language,
                            const std::string& value) const;

  // Whether no other thing has this value of the attribute.
  bool is_unique(int entity, const std::string& language,
                 const std::string& attribute) const;

 private:
  void learn_readings(const std::string& language, const Description& described,
                      const std::string& where);

  std::vector<Entity> entities_;
  std::map<std::string, std::map<std::string, std::string>> spoken_;
};

}  // namespace seodang
