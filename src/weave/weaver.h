// Weaves a corpus out of a table of facts and files of phrasings: reading
// matter to pretrain on, examples to be tuned on, and suites that ask
// for facts whose questions no example asked. docs/weaving.md describes the
// keys of WORLD.toml, data/README.md the files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "weave/reading.h"

namespace seodang {

struct WeaveReport {
  std::map<std::string, int64_t> documents;  // by genre and language
  int64_t documents_in_all = 0, bytes = 0;
  int64_t replay = 0;    // documents that name no reserved thing
  int64_t examples = 0;  // in instruct.jsonl
  int64_t dropped = 0;   // examples not made: all drafts named a reserved thing
  std::map<std::string, int64_t> suites;     // items
  std::map<std::string, int64_t> tasks;      // examples: "report.train" → …
  std::map<std::string, Mentions> mentions;  // "capital.ko" → …
  // Ids, in the table's order (weave/split.h).
  std::vector<std::string> taught, held_out, final;
  int64_t entities = 0;
};

// Writes pretrain.jsonl, replay.jsonl (those of its documents that name nothing
// the suites hold out), instruct.jsonl, split.json, suites/*.jsonl and, where
// the plan has forms, tasks/*.jsonl into `output_dir`, the same bytes for the
// same files and seed. With `permute` it is a world where each thing has
// another's facts, for comparison: who has read of it knows nothing of the real
// one. Throws Error naming file and line for a mistake in WORLD.toml, the facts
// or the phrasings.
WeaveReport weave(const std::filesystem::path& world_toml,
                  const std::filesystem::path& output_dir, uint64_t seed,
                  bool permute = false);

}  // namespace seodang
