// What is read: the documents of each genre.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weave/fact_table.h"
#include "weave/split.h"
#include "weave/weave_plan.h"

namespace seodang {

// How often the reading tells a fact: over all things that have it.
struct Mentions {
  int64_t facts = 0, least = 0, median = 0;
};

struct Reading {
  std::vector<std::string> texts;            // by genre, each once
  std::map<std::string, int64_t> documents;  // by genre and language
  std::map<std::string, Mentions> mentions;  // "capital.ko" → …
};

// Genre i draws from the random numbers of (seed, stream, i). Throws Error
// naming file and line for a mistake in the phrasings.
Reading weave_reading(const WeavePlan& plan, const FactTable& facts,
                      const Split& split, uint64_t seed, uint64_t stream);

}  // namespace seodang
