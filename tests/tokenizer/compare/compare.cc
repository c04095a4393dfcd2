// Encodes and decodes the lines that references.mjs wrote and tells where
// Seodang differs from Hugging Face's library.
//
//   compare DIR…       DIR is a model directory, DIR.jsonl its lines
//
// Exits with 1 if anything differs.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

struct Counts {
  int64_t lines = 0, encoded = 0, ids = 0, texts = 0;

  // Shows the first differences, from shortly before where they begin.
  void tell(const json& line, const char* what, const std::string& expected,
            const std::string& got) const {
    constexpr int64_t kShown = 3;
    constexpr size_t kBefore = 30, kLength = 100;
    if (ids + texts > kShown) return;
    size_t at = 0;
    while (at < expected.size() && at < got.size() && expected[at] == got[at])
      ++at;
    at -= std::min(at, kBefore);
    fmt::print("  {} of {}\n    expected …{}\n    got      …{}\n", what,
               line[0].is_null() ? line[1].dump() : line[0].dump(),
               expected.substr(at, kLength),
               got.substr(std::min(at, got.size()), kLength));
  }

  void add(const Tokenizer& tokenizer, const json& line) {
    ++lines;
    if (line[0].is_string()) {
      ++encoded;
      const json got =
          tokenizer.encode(line[0].get<std::string>(), {.parse_special = true});
      if (got != line[1]) {
        ++ids;
        tell(line, "ids", line[1].dump(), got.dump());
      }
    }
    for (const bool skip : {false, true}) {
      const json got = tokenizer.decode(line[1].get<Ids>(), skip);
      const json& expected = line[skip ? 3 : 2];
      if (got == expected) continue;
      ++texts;
      tell(line, "text", expected.dump(), got.dump());
    }
  }
};

bool compare(const std::string& dir) {
  const std::clock_t start = std::clock();
  const Tokenizer tokenizer = Tokenizer::load(dir);
  const double took =
      static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::ifstream file(dir + ".jsonl");
  Counts counts;
  for (std::string line; std::getline(file, line);)
    counts.add(tokenizer, json::parse(line));
  fmt::print(
      "{}: {} tokens loaded in {:.2f} s of CPU; {} lines encoded, {} differ; "
      "{} "
      "decoded, {} differ\n",
      dir, tokenizer.vocab_size(), took, counts.encoded, counts.ids,
      counts.lines, counts.texts);
  return counts.encoded > 0 && counts.ids + counts.texts == 0;
}

}  // namespace
}  // namespace seodang

int main(int argc, char** argv) {
  bool same = true;
  try {
    for (int i = 1; i < argc; ++i) same = seodang::compare(argv[i]) && same;
  } catch (const std::exception& error) {
    fmt::print(stderr, "compare: {}\n", error.what());
    return 1;
  }
  return same ? 0 : 1;
}
