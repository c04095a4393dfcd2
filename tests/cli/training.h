// A small corpus of sums, and the program learning it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "cli/program.h"

namespace seodang {

class Training : public ScratchTest {
 protected:
  void SetUp() override {
    std::string text;
    for (int i = 0; i < 400; ++i)
      text += fmt::format("{} and {} make {}.\n<|endoftext|>\n", i, i + 1,
                          2 * i + 1);
    write("sums.txt", text);
    must("tokenizer train sums.txt -o tok --vocab-size 300");
    must("data sums.txt --tokenizer tok -o data --near-duplicates 0");
  }

  void must(const std::string& line) {
    const Outcome outcome = run(dir_, words(line));
    ASSERT_EQ(outcome.exit_code, 0) << line << "\n" << outcome.err;
  }

  // Every step writes a checkpoint: a stop often falls into the writing.
  static std::vector<std::string> pretrain(const std::string& output) {
    return words("pretrain --data data --tokenizer tok -o " + output +
                 " --size nano --steps 40 --batch-tokens 64 "
                 "--checkpoint-every 1 --validate-every 9 --threads 1");
  }

  int64_t steps_told(const std::string& output) const {
    const std::string metrics = output + "/metrics.jsonl";
    return std::filesystem::exists(dir_ / metrics)
               ? std::ranges::count(read(metrics), '\n')
               : 0;
  }

  // Waits until metrics.jsonl holds this many lines.
  bool reaches(Program& program, const std::string& output,
               int64_t lines) const {
    while (program.running()) {
      if (steps_told(output) >= lines) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  std::vector<std::string> leftovers(const std::string& output) const {
    std::vector<std::string> out;
    for (const std::string& name : names())
      if (name.starts_with(output) && (name.find("checkpoint-") != name.npos ||
                                       name.find(".tmp-") != name.npos))
        out.push_back(name);
    return out;
  }
};

}  // namespace seodang
