// Several ranks train as one process does, and what one of them does is never
// another model's business: mpirun starts them on this machine.
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/training.h"

namespace seodang {
namespace {

class RanksTest : public Training {
 protected:
  // Every figure that a step or a validation has, by its step.
  std::map<std::string, double> figures(const std::string& output) const {
    std::map<std::string, double> out;
    std::istringstream lines(read(output + "/metrics.jsonl"));
    for (std::string text; std::getline(lines, text);) {
      const auto line = nlohmann::json::parse(text);
      for (const char* key :
           {"loss", "validation_loss", "divergence", "reward_margin", "tokens",
            "validation_reward_margin", "task", "kept"})
        if (line.contains(key))
          out[fmt::format("{} of step {}", key, int64_t{line["step"]})] =
              line[key];
    }
    return out;
  }

  void expect_same(const std::string& one, const std::string& other,
                   double tolerance) const {
    const auto a = figures(one), b = figures(other);
    ASSERT_EQ(a.size(), b.size()) << other;
    EXPECT_GT(a.size(), 5u);
    for (const auto& [name, value] : a) {
      ASSERT_TRUE(b.contains(name)) << name;
      EXPECT_NEAR(b.at(name), value, tolerance * std::max(1.0, std::abs(value)))
          << name << " of " << other;
    }
  }

  // Runs it alone, and with 2 and 4 ranks.
  void expect_same_for_any_number(const std::string& line, double tolerance) {
    const auto to = [&](const std::string& output) {
      return words(line + " -o " + output + " --threads 1");
    };
    const Outcome alone = run(dir_, to("alone"));
    ASSERT_EQ(alone.exit_code, 0) << alone.err;
    for (const int ranks : {2, 4}) {
      const std::string output = fmt::format("ranks{}", ranks);
      const Outcome together = run(dir_, Mpirun{ranks}, to(output));
      ASSERT_EQ(together.exit_code, 0) << line << "\n" << together.err;
      EXPECT_EQ(std::ranges::count(together.out, '\n'),
                std::ranges::count(alone.out, '\n'))
          << together.out;
      expect_same("alone", output, tolerance);
      std::filesystem::remove_all(dir_ / output);
    }
    std::filesystem::remove_all(dir_ / "alone");
  }

  static std::string pretraining() {
    return "pretrain --data data --tokenizer tok --size nano --steps 12 "
           "--context 32 --batch-tokens 256 --validate-every 5 "
           "--precision f32";
  }
};

// Rounding grows with the steps; a wrong share or scale shows in the first.
constexpr double kRounding = 1e-5;

TEST_F(RanksTest, LossesAreThoseOfOneProcess) {
  expect_same_for_any_number(pretraining(), kRounding);
  // Whole batches for 2 and 4 ranks, and matrices that Muon steps whole.
  expect_same_for_any_number(pretraining() + " --accumulate 4 --optimizer muon",
                             kRounding);
  // With a copy that products read, and masters in parts.
  std::string bf16 = pretraining();
  bf16.replace(bf16.find("f32"), 3, "bf16");
  expect_same_for_any_number(bf16 + " --accumulate 2", 0.01);
}

TEST_F(RanksTest, TuningIsThatOfOneProcess) {
  std::string examples, pairs, task;
  for (int i = 0; i < 30; ++i) {
    examples +=
        fmt::format(R"({{"instruction": "{} and {}?", "output": "make {}."}})"
                    "\n",
                    i, i + 1, 2 * i + 1);
    task += fmt::format(R"({{"prompt": "sum {}", "completion": "is {}"}})"
                        "\n",
                        i, 2 * i);
    pairs += fmt::format(
        R"({{"prompt": "{} and {}?", "chosen": "make {}", "rejected": "no"}})"
        "\n",
        i, i + 1, 2 * i + 1);
  }
  write("examples.jsonl", examples);
  write("task.jsonl", task);
  write("pairs.jsonl", pairs);
  write("general.jsonl", "{\"text\": \"1 and 2 make 3.\"}\n");
  must(pretraining() + " -o base --threads 1");
  const std::string how =
      " --context 64 --batch-tokens 256 --validate-every 5 --steps 10 "
      "--precision f32";
  must("instruct base examples.jsonl -o instruct --replay 0" + how);
  expect_same_for_any_number(
      "instruct base examples.jsonl --replay-data data --patience 3" + how,
      kRounding);
  // What is dropped depends on the place in the whole batch.
  expect_same_for_any_number(
      "instruct base examples.jsonl --replay 0 --lora --dropout 0.3" + how,
      kRounding);
  expect_same_for_any_number(
      "finetune instruct task.jsonl --general general.jsonl --keep 0.9 "
      "--replay-examples examples.jsonl --replay 0.5 --distill 1" +
          how,
      kRounding);
  // Two epochs: a pair's reference may have been another rank's.
  expect_same_for_any_number("prefer instruct pairs.jsonl --replay 0" + how,
                             kRounding);
}

// Over a network, sharing no memory.
TEST_F(RanksTest, HostsTrainAsOneProcess) {
  if (std::system("(ip netns add seodang-test && ip netns delete seodang-test)"
                  " >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no network namespaces may be made here";
  ASSERT_EQ(run(dir_, words(pretraining() + " -o alone")).exit_code, 0);
  const Outcome hosts = run(dir_, Mpirun{.ranks = 3, .hosts = true},
                            words(pretraining() + " -o hosts"));
  ASSERT_EQ(hosts.exit_code, 0) << hosts.err;
  EXPECT_NE(hosts.err.find("3 ranks, 1 on this machine"), std::string::npos)
      << hosts.err;
  expect_same("alone", "hosts", kRounding);
}

TEST_F(RanksTest, SameBytesTwice) {
  for (const std::string output : {"once", "again"})
    ASSERT_EQ(
        run(dir_, Mpirun{3}, words(pretraining() + " -o " + output)).exit_code,
        0);
  EXPECT_EQ(read("once/model.safetensors"), read("again/model.safetensors"));
}

// Stopped with three, killed with four, and gone on with one less each time.
TEST_F(RanksTest, CheckpointsDependOnNoNumber) {
  const auto to = [](const std::string& output) {
    std::vector<std::string> line = pretrain(output);
    const auto more = words("--precision f32 --context 32 --batch-tokens 128");
    std::erase_if(line, [](const std::string& word) {
      return word == "--batch-tokens" || word == "64";
    });
    line.insert(line.end(), more.begin(), more.end());
    return line;
  };
  ASSERT_EQ(run(dir_, to("whole")).exit_code, 0);
  {
    Program four(dir_, to("parts"), 0, "/dev/null", {.ranks = 4});
    ASSERT_TRUE(reaches(four, "parts", 4));
    const auto ranks = four.children();
    ASSERT_EQ(ranks.size(), 4u);
    ::kill(ranks[1], SIGKILL);
    const Outcome died = four.wait();
    EXPECT_NE(died.exit_code, 0);
    EXPECT_NE(died.err.find("is whole: run the same command again"),
              std::string::npos)
        << died.err;
  }
  {
    Program three(dir_, to("parts"), 0, "/dev/null", {.ranks = 3});
    ASSERT_TRUE(reaches(three, "parts", steps_told("parts") + 4));
    three.send(SIGUSR1);
    const Outcome stopped = three.wait();
    EXPECT_EQ(stopped.exit_code, 1);
    EXPECT_NE(stopped.err.find("saved in parts; run the same command again"),
              std::string::npos)
        << stopped.err;
  }
  const Outcome two = run(dir_, Mpirun{2}, to("parts"));
  ASSERT_EQ(two.exit_code, 0) << two.err;
  EXPECT_NE(two.err.find("going on from step"), std::string::npos);
  expect_same("whole", "parts", 1e-4);
  EXPECT_TRUE(leftovers("parts").empty()) << leftovers("parts").front();
}

// One rank complains, though all find the same fault.
TEST_F(RanksTest, FaultsAreToldOnce) {
  const auto complaint = [&](const std::string& line, int exit_code,
                             const std::string& part) {
    const Outcome outcome = run(dir_, Mpirun{2}, words(line));
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    const size_t at = outcome.err.find(part);
    ASSERT_NE(at, std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find(part, at + 1), std::string::npos) << outcome.err;
  };
  complaint("pretrain --data none --tokenizer tok -o out", 1,
            "none/index.json: not found");
  complaint("generate tok hello", 2,
            "generate runs in one process, and here are 2 ranks");
  // Beginning with what the root was given, ending with what another was.
  must("data sums.txt --tokenizer tok -o other --near-duplicates 0 --seed 9");
  complaint(pretraining() + " -o out : -n 1 " SEODANG_PROGRAM " " +
                std::string(pretraining()).replace(16, 4, "other") + " -o out",
            1, "this rank was given another model, other data");
}

}  // namespace
}  // namespace seodang
